"""Ways to take one thing out of the assembled service."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pytest import MonkeyPatch  # noqa: PT013 - a type here
from starlette.middleware import Middleware

from app.assembly import application, lifespan
from app.assembly.middleware import middleware
from app.assembly.routes import ROUTERS
from app.resources import Resources, open_resources
from app.web.middleware.edge import Concern, Edge

Switch = Callable[[MonkeyPatch], None]


def replaced(owner: object, name: str, by: object) -> Switch:
    """One name bound to something that does nothing."""
    return lambda patch: patch.setattr(owner, name, by)


def without_middleware(cls: Any) -> Switch:
    """The list of middlewares with one left out."""

    def shortened(*given: Any) -> list[Middleware]:
        return [item for item in middleware(*given) if item.cls != cls]

    return replaced(application, "middleware", shortened)


def without_concern(cls: type[Concern]) -> Switch:
    """The edge with one concern left out."""

    def shortened(*given: Any) -> list[Middleware]:
        edge, *others = middleware(*given)
        concerns: Any = edge.kwargs["concerns"]
        return [Middleware(Edge, concerns=[item for item in concerns if not isinstance(item, cls)]), *others]

    return replaced(application, "middleware", shortened)


def without_check(name: str) -> Switch:
    """The health report with one check left out."""

    @asynccontextmanager
    async def opened(*given: Any) -> AsyncIterator[Resources]:
        async with open_resources(*given) as resources:
            checks = tuple(check for check in resources.checks if check.name != name)
            yield replace(resources, checks=checks)

    return lambda patch: patch.setattr(lifespan, "open_resources", opened)


def without_router(path: str) -> Switch:
    """The list of routers with the one left out that serves this path."""
    return replaced(application, "ROUTERS", [router for router in ROUTERS if router.prefix != path])


def nothing(*_: Any) -> None:
    """Instead of a report."""


async def idle(*_: Any, **__: Any) -> None:
    """Instead of a coroutine that does something."""
