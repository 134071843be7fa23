"""What happens between the start of the service and its end."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any

import structlog
from fastapi import FastAPI

from app.assembly.caller_limits import open_caller_limits
from app.assembly.management import serve_management
from app.core.identity import service_identity
from app.health.draining import Draining
from app.health.report import Health
from app.health.watching import watching
from app.observability.instruments import Instruments
from app.resources import open_resources
from app.settings import Settings
from app.settings.loading import warn_about_variables
from app.web.protocol import UNREADABLE

log = structlog.get_logger()

State = dict[str, Any]  # Any: each request's state holds what it holds
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[State]]


def lifespan_of(settings: Settings, instruments: Instruments, draining: Draining) -> Lifespan:
    """Opens everything in order, hands it to the requests, and closes it in reverse."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        warn_about_variables(settings)
        with closing(instruments.errors):
            async with (
                open_resources(settings, instruments.metrics) as resources,
                open_caller_limits(settings, resources) as caller_limits,
            ):
                health = Health(resources.checks, draining=draining, metrics=instruments.metrics)
                async with (
                    watching(health),
                    serve_management(settings, health=health, metrics=instruments.metrics) as port,
                ):
                    app.state.management_port = port
                    log.info("started", release=service_identity().release, environment=settings.environment)
                    yield {
                        "resources": resources,
                        "health": health,
                        "caller_limits": caller_limits,
                        UNREADABLE: instruments.metrics.requests_unreadable,
                    }
        log.info("stopped")

    return lifespan
