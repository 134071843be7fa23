"""The operators' port: metrics and health, never the API."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from starlette.middleware import Middleware

from app.assembly.policies import check_policies
from app.assembly.routes import add_routes
from app.assembly.sockets import listen
from app.health import routes as health_routes
from app.health.report import Health
from app.observability.metrics import CONTENT_TYPE, Metrics
from app.security.public import public
from app.settings import Settings
from app.web.middleware.edge import Edge
from app.web.middleware.request_context import RequestContext
from app.web.middleware.security_headers import SecurityHeaders
from app.web.problems import HANDLERS
from app.web.protocol import UNREADABLE, BoundedProtocol


class BackgroundServer(uvicorn.Server):
    """A server that leaves the process' signals to the public one."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_management(settings: Settings, *, health: Health, metrics: Metrics) -> AsyncIterator[int]:
    """Serve it for as long as the block runs, and give its port. Raises `ConfigurationError` when the port is taken."""
    with listen(settings.host, settings.management.port, variable="MANAGEMENT_PORT") as socket:
        app = create_management_app(health=health, metrics=metrics)
        server = BackgroundServer(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=1,  # a scrape that stalls must not keep the process alive
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[socket]))
        try:
            yield socket.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


def create_management_app(*, health: Health, metrics: Metrics) -> FastAPI:
    """A second, small application, with no way to the first."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:  # Any: each thing its own type
        yield {"health": health, UNREADABLE: metrics.requests_unreadable}

    app = FastAPI(
        openapi_url=None,
        lifespan=lifespan,
        middleware=[Middleware(Edge, concerns=[RequestContext(), SecurityHeaders()])],
        exception_handlers=HANDLERS,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    add_routes(app, health_routes.router)

    @app.get("/metrics")
    @public
    async def expose_metrics() -> Response:
        return Response(metrics.expose(), media_type=CONTENT_TYPE)

    check_policies(app)
    return app
