"""What most services do about the same concerns: Starlette's `BaseHTTPMiddleware`, and libraries as their pages say.

Nothing here is slow on purpose: it is what tutorials and many templates show.
"""

import asyncio
import json
import logging
import sys
import time
import uuid
from contextvars import ContextVar

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from slowapi import Limiter
from slowapi.middleware import SlowAPIMiddleware
from slowapi.util import get_remote_address
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from app.settings import Settings
from performance.things import Thing, thing_of

log = logging.getLogger("usual")

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="-")

HEADERS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

TIME_LIMIT_SECONDS = 30.0
MORE_THAN_ANYBODY_ASKS = "100000000/minute"


class RequestId(BaseHTTPMiddleware):
    """One for each request, echoed."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        request_id = request.headers.get("X-Request-ID") or str(uuid.uuid4())
        token = REQUEST_ID.set(request_id)
        try:
            response = await call_next(request)
        finally:
            REQUEST_ID.reset(token)
        response.headers["X-Request-ID"] = request_id
        return response


class AccessLog(BaseHTTPMiddleware):
    """One line for each request."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        began = time.perf_counter()
        response = await call_next(request)
        facts = {
            "method": request.method,
            "path": request.url.path,
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - began) * 1000, 2),
            "client": request.client.host if request.client else None,
        }
        log.info("request", extra={"facts": facts})
        return response


class SecurityHeaders(BaseHTTPMiddleware):
    """The same for every answer."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response


class RequestMetrics(BaseHTTPMiddleware):
    """Rate, errors and duration with prometheus_client."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        registry = CollectorRegistry()
        self.requests = Counter("requests", "Requests.", ("method", "path", "status"), registry=registry)
        self.seconds = Histogram("request_seconds", "Duration.", ("method", "path"), registry=registry)
        self.in_flight = Gauge("requests_in_flight", "Being served.", registry=registry)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        began = time.perf_counter()
        with self.in_flight.track_inprogress():
            response = await call_next(request)
        path = getattr(request.scope.get("route"), "path", "unmatched")
        self.requests.labels(request.method, path, response.status_code).inc()
        self.seconds.labels(request.method, path).observe(time.perf_counter() - began)
        return response


class TimeLimit(BaseHTTPMiddleware):
    """No request takes longer."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        try:
            return await asyncio.wait_for(call_next(request), TIME_LIMIT_SECONDS)
        except TimeoutError:
            return Response(status_code=504)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        line = {"time": self.formatTime(record), "level": record.levelname, "event": record.getMessage()}
        return json.dumps({**line, "request_id": REQUEST_ID.get(), **facts})


def usual(settings: Settings) -> FastAPI:
    """Five `BaseHTTPMiddleware`s, slowapi's, and three of Starlette's; the last one added is the outermost."""
    log_as_json()
    app = FastAPI()
    app.state.limiter = Limiter(key_func=get_remote_address, default_limits=[MORE_THAN_ANYBODY_ASKS])
    app.add_middleware(GZipMiddleware)
    app.add_middleware(TimeLimit)
    app.add_middleware(SlowAPIMiddleware)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestMetrics)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestId)
    app.add_middleware(CORSMiddleware, allow_origins=settings.cors.origins, allow_methods=["*"])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.allowed_hosts)

    @app.get("/v1/things/{thing_id}")
    async def read_thing(thing_id: int) -> Thing:
        return thing_of(thing_id)

    return app


def log_as_json() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
