"""Puts the service together. Read this first."""

from fastapi import FastAPI

from app.assembly.instruments import open_instruments
from app.assembly.lifespan import lifespan_of
from app.assembly.middleware import middleware
from app.assembly.policies import check_policies
from app.assembly.routes import ROUTERS, add_routes
from app.core.identity import service_identity
from app.health.draining import Draining
from app.settings import Settings
from app.web.api_reference.pages import api_reference_router
from app.web.openapi import DocumentedFastAPI
from app.web.problems import HANDLERS


def create_app(settings: Settings) -> FastAPI:
    """The whole service, the same for production and for tests. It connects to nothing until its lifespan begins.

    Raises `RoutesRefused` when a route does not say who may call it, or asks for what it would not get.
    """
    identity = service_identity()
    instruments = open_instruments(settings)
    draining = Draining()
    app = DocumentedFastAPI(
        title=identity.title,
        description=identity.description,
        version=identity.version,
        contact={"name": identity.owner_name},
        openapi_url="/openapi.json" if settings.shows_docs else None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan_of(settings, instruments, draining),
        middleware=middleware(settings, instruments),
        exception_handlers=HANDLERS,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.draining = draining
    add_routes(app, *ROUTERS)
    if settings.shows_docs:
        add_routes(app, api_reference_router(title=identity.title))
    check_policies(app)
    return app
