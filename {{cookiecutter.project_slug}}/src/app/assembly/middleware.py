"""What a request passes on its way in, in this order; its answer passes them in reverse."""

from starlette.middleware import Middleware

from app.observability.instruments import Instruments
from app.settings import Settings
from app.web.middleware.access_log import AccessLog
from app.web.middleware.body_limit import BodyLimit
from app.web.middleware.compression import Compression
from app.web.middleware.cors import Cors
from app.web.middleware.edge import Edge
from app.web.middleware.error_boundary import ErrorBoundary
from app.web.middleware.http_metrics import HttpMetrics
from app.web.middleware.json_bodies import JsonBodies
from app.web.middleware.request_context import RequestContext
from app.web.middleware.security_headers import SecurityHeaders
from app.web.middleware.transaction_retry import TransactionRetry
from app.web.middleware.trusted_hosts import TrustedHosts


def middleware(settings: Settings, instruments: Instruments) -> list[Middleware]:
    """The first is the outermost."""
    concerns = [RequestContext(), AccessLog(), HttpMetrics(instruments.metrics), SecurityHeaders()]
    return [
        Middleware(Edge, concerns=concerns),
        Middleware(TrustedHosts, hosts=settings.allowed_hosts),
        Middleware(
            Cors,
            allow_origins=settings.cors.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Location", "Retry-After", "X-Request-ID"],
        ),
        Middleware(ErrorBoundary, report=instruments.errors.report),
        Middleware(BodyLimit, limit_bytes=settings.body.limit_bytes, seconds=settings.body.timeout_seconds),
        Middleware(JsonBodies),
        Middleware(Compression),
        Middleware(TransactionRetry),
    ]
