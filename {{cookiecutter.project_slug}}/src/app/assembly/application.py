"""Puts the service together. Read this first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI

from app.assembly.instruments import open_instruments
from app.assembly.management import serve_management
from app.assembly.middleware import middleware
from app.assembly.routes import ROUTERS
from app.core.identity import service_identity
from app.health.draining import Draining
from app.health.report import Health
from app.resources import open_resources
from app.settings import Settings
from app.settings.loading import warn_about_variables
from app.web.api_reference.pages import api_reference_router
from app.web.openapi import DocumentedFastAPI
from app.web.problems import HANDLERS

log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """The whole service, the same for production and for tests. Nothing is opened until its lifespan begins."""
    identity = service_identity()
    instruments = open_instruments(settings)
    draining = Draining()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:  # Any: the state holds what it holds
        warn_about_variables(settings)
        async with open_resources(settings, instruments) as resources:
            health = Health(resources.checks, draining=draining, metrics=instruments.metrics)
            async with serve_management(settings, health=health, metrics=instruments.metrics):
                log.info("started", release=identity.release, environment=settings.environment)
                yield {"resources": resources, "health": health}
        log.info("stopped")

    app = DocumentedFastAPI(
        title=identity.title,
        description=identity.description,
        version=identity.version,
        openapi_url="/openapi.json" if settings.shows_docs else None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=middleware(settings, instruments),
        exception_handlers=HANDLERS,
        telemetry={"tracing": False},
    )
    app.state.draining = draining
    for router in ROUTERS:
        app.include_router(router)
    if settings.shows_docs:
        app.include_router(api_reference_router(title=identity.title))
    return app
