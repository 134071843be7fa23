"""How to switch each feature off, so that a test can show that it would be missed.

`docs/features.md` names these switches. Each takes one thing out of the assembled service.
"""

import hmac  # option: example
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from pydantic import SecretStr
from pytest import MonkeyPatch  # noqa: PT013 - a type here
from starlette.middleware import Middleware

from app.assembly import application, instruments, lifespan
from app.assembly.middleware import middleware
from app.assembly.routes import ROUTERS
from app.cli import config
from app.health import draining
from app.observability import logging
from app.observability.error_tracking import ErrorTracker
from app.persistence import database, engine, migrations
from app.resources import Resources, open_resources
from app.settings import loading
from app.web import dependencies, openapi
from app.web.middleware import error_boundary
from app.web.middleware.access_log import AccessLog
from app.web.middleware.cors import Cors
from app.web.middleware.edge import Concern, Edge
from app.web.middleware.http_metrics import HttpMetrics
from app.web.middleware.request_context import RequestContext
from app.web.middleware.transaction_retry import TransactionRetry
from app.web.middleware.trusted_hosts import TrustedHosts

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


def commit_after_answering(patch: MonkeyPatch) -> None:
    """FastAPI's default for a dependency that yields."""
    depends = dependencies.Session.__metadata__[0]  # type: ignore[attr-defined] # Annotated has it at run time
    patch.setitem(vars(depends), "scope", None)


@asynccontextmanager
async def without_waiting(_self: database.Database) -> AsyncIterator[None]:
    """Straight to the pool."""
    yield


def shown(value: Any) -> Any:
    """Instead of the mask."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def nothing(*_: Any) -> None:
    """Instead of a report."""


async def unlocked(_connection: Any) -> None:
    """Migrate at once, whoever else does."""


SWITCHES: dict[str, Switch] = {
    "request-context": without_concern(RequestContext),
    "access-log": without_concern(AccessLog),
    "http-metrics": without_concern(HttpMetrics),
    "trusted-hosts": without_middleware(TrustedHosts),
    "cors": without_middleware(Cors),
    "error-boundary": without_middleware(error_boundary.ErrorBoundary),
    "transaction-retry": without_middleware(TransactionRetry),
    "problems": replaced(application, "HANDLERS", {}),
    "documented-problems": replaced(openapi, "describe_problems", lambda _document: None),
    "api-reference": replaced(application, "api_reference_router", lambda **_: APIRouter()),
    "commit-first": commit_after_answering,
    "fair-queue": replaced(database.Database, "turn", without_waiting),
    "dead-connections": replaced(engine, "refuse_closed_connection", lambda *_: None),
    "statement-timeout": replaced(engine, "server_settings", lambda _options: {}),
    "database-check": without_check("database"),
    "schema-check": without_check("schema"),
    "redis-check": without_check("redis"),
    "draining": replaced(draining.Draining, "begin", lambda _self: None),
    "error-tracking": replaced(instruments, "open_error_tracker", lambda **_: ErrorTracker(nothing, nothing)),
    "unsafe-settings": replaced(loading, "unsafe", lambda _settings: []),
    "misspelled-settings": replaced(loading, "near_misses", lambda *_: {}),
    "masked-secrets": replaced(config, "masked", shown),
    "migration-lock": replaced(migrations, "lock_out_others", unlocked),
    "redaction": replaced(logging, "redact_event", lambda _logger, _method, event: event),
    "signed-cursors": replaced(hmac, "compare_digest", lambda *_: True),  # option: example
    "orders": without_router("/v1/orders"),  # option: example
}
