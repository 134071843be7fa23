"""Our service with routes to measure, and with as many of its middlewares as asked for."""

from collections.abc import Sequence
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from app.assembly.application import create_app
from app.assembly.policies import check_policies
from app.assembly.routes import add_routes
from app.security.public import public
from app.settings import Settings
from app.web.middleware.edge import Concern
from app.web.quick_route import QuickRoute
from performance import things
from performance.things import Thing, thing_of

ROUTERS = 20
ROUTES_EACH = 5
LAST_ROUTE = f"/v1/nouns-{ROUTERS - 1}/routes-{ROUTES_EACH - 1}/7"


def ours(settings: Settings) -> FastAPI:
    """As it is, plus a few routes."""
    return with_routers(settings, [things.router, things.sharing_router])


def ours_without_memory(settings: Settings) -> FastAPI:
    """It remembers nothing by itself, so all that is remembered comes from Redis."""
    cache = settings.cache.model_copy(update={"memory_bytes": 1})
    return ours(settings.model_copy(update={"cache": cache}))


def ours_up_to(settings: Settings, *, step: int) -> FastAPI:
    """With the first so many of its concerns and middlewares; the router behind them is the same."""
    app = ours(settings)
    app.user_middleware[:] = first_steps(app.user_middleware, step)
    return app


def ours_with_many_routes(settings: Settings) -> FastAPI:
    """A hundred routes more, five to a router, added as `assembly/routes.py` does it."""
    return with_routers(settings, [many_routes(number) for number in range(ROUTERS)])


def with_routers(settings: Settings, routers: Sequence[APIRouter]) -> FastAPI:
    app = create_app(settings)
    add_routes(app, *routers)
    check_policies(app)
    return app


def many_routes(number: int) -> APIRouter:
    router = APIRouter(prefix=f"/v1/nouns-{number}", route_class=QuickRoute)
    for route in range(ROUTES_EACH):
        add_route(router, f"/routes-{route}/")
    return router


def add_route(router: APIRouter, path: str) -> None:
    @router.get(path + "{thing_id}")
    @public
    async def read_thing(thing_id: int) -> Thing:
        return thing_of(thing_id)


def names_of_steps(settings: Settings) -> list[str]:
    """What a request passes, in its order: the edge's concerns, then the middlewares."""
    return [name for middleware in create_app(settings).user_middleware for name in names_in(middleware)]


def names_in(middleware: Middleware) -> list[str]:
    concerns = concerns_of(middleware)
    return [type(concern).__name__ for concern in concerns] or [getattr(middleware.cls, "__name__", "middleware")]


def first_steps(stack: Sequence[Middleware], count: int) -> list[Middleware]:
    """The stack, cut off after so many steps."""
    kept: list[Middleware] = []
    for middleware in stack:
        if count <= 0:
            break
        concerns = concerns_of(middleware)
        kept.append(with_concerns(middleware, concerns[:count]) if concerns else middleware)
        count -= len(concerns) or 1
    return kept


def concerns_of(middleware: Middleware) -> Sequence[Concern]:
    """Those that the edge runs; of any other middleware none."""
    return cast("Sequence[Concern]", middleware.kwargs.get("concerns", ()))


def with_concerns(edge: Middleware, concerns: Sequence[Concern]) -> Middleware:
    options: Any = {**edge.kwargs, "concerns": concerns}  # Any: each middleware takes its own
    return Middleware(edge.cls, *edge.args, **options)
