"""What a request passes on its way in, in this order; its answer passes them in reverse."""

from starlette.middleware import Middleware

from app.core.rates import Rate
from app.health import routes as health
from app.observability.instruments import Instruments
from app.observability.metrics import Metrics
from app.resilience.shedding_state import SheddingState
from app.security.limit_refusals import LimitRefusals
from app.security.local_limit import LocalLimit
from app.settings import Settings
from app.web.middleware.abandoned_requests import AbandonedRequests
from app.web.middleware.access_log import AccessLog
from app.web.middleware.address_limit import AddressCount, AddressLimit
from app.web.middleware.body_limit import BodyLimit
from app.web.middleware.client_address import ClientAddress
from app.web.middleware.compression import Compression
from app.web.middleware.conditional_requests import ConditionalRequests
from app.web.middleware.cors import Cors
from app.web.middleware.deadline import Deadlines
from app.web.middleware.early_refusal import EarlyRefusal
from app.web.middleware.edge import Concern, Edge
from app.web.middleware.error_boundary import ErrorBoundary
from app.web.middleware.http_metrics import HttpMetrics
from app.web.middleware.json_bodies import JsonBodies
from app.web.middleware.load_shedding import LoadShedding, Turns, log_begin, log_end
from app.web.middleware.rate_limit_headers import RateLimitHeaders
from app.web.middleware.request_context import RequestContext
from app.web.middleware.security_headers import SecurityHeaders
from app.web.middleware.transaction_retry import TransactionRetry
from app.web.middleware.trusted_hosts import HostNames, TrustedHosts

ANY = ["*"]

# What pages may read of an answer, besides its body.
EXPOSED = [
    "Cache-Status",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
]

# Whoever watches over us is never told to wait: a busy service must not look like a dead one.
HEALTH_PATHS = frozenset(str(getattr(route, "path", "")) for route in health.router.routes)


def middleware(settings: Settings, instruments: Instruments) -> list[Middleware]:
    """The first is the outermost."""
    shedding = SheddingState(on_begin=log_begin, on_end=log_end)
    at_the_edge = concerns(settings, instruments.metrics, shedding)
    hosts = HostNames(settings.allowed_hosts)
    turns = Turns(
        exempt=HEALTH_PATHS,
        most=settings.overload.max_requests,
        queue_seconds=settings.overload.queue_seconds,
        shedding=shedding,
        metrics=instruments.metrics,
    )
    return [
        Middleware(Edge, concerns=at_the_edge),
        Middleware(TrustedHosts, hosts=hosts),
        Middleware(
            Cors, allow_origins=settings.cors.origins, allow_methods=ANY, allow_headers=ANY, expose_headers=EXPOSED
        ),
        Middleware(ErrorBoundary, report=instruments.errors.report),
        Middleware(AddressLimit, refusals=LimitRefusals(instruments.metrics)),
        Middleware(EarlyRefusal, at_edge=at_the_edge, hosts=hosts, turns=turns),
        Middleware(LoadShedding, turns=turns),
        Middleware(Deadlines, seconds=settings.request.timeout_seconds, exempt=HEALTH_PATHS),
        Middleware(AbandonedRequests),
        Middleware(BodyLimit, limit_bytes=settings.body.limit_bytes, seconds=settings.body.timeout_seconds),
        Middleware(JsonBodies),
        Middleware(Compression),
        Middleware(ConditionalRequests),
        Middleware(TransactionRetry),
    ]


def concerns(settings: Settings, metrics: Metrics, shedding: SheddingState) -> list[Concern]:
    """What only looks at the request and touches headers, all of it in the edge.

    Addresses come before the metrics: of a request that is refused for its address nothing else may be counted yet
    when `EarlyRefusal` hands it on.
    """
    address_limit = LocalLimit(Rate.parse(settings.rate.limit_address))
    return [
        RequestContext(),
        ClientAddress(settings.trusted_proxies),
        AddressCount(address_limit, exempt=HEALTH_PATHS, shedding=shedding),
        AccessLog(),
        HttpMetrics(metrics.requests),
        SecurityHeaders(),
        RateLimitHeaders(),
    ]
