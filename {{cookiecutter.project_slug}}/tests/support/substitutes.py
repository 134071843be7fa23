"""What stands in the place of a feature while it is switched off."""

import asyncio
import html
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from fastapi import APIRouter
from pydantic import SecretStr
from pytest import MonkeyPatch  # noqa: PT013 - a type here
from sqlalchemy import Connection, TextClause
from starlette.middleware.body_limit import RequestBodyLimitResponder

from app.assembly import application, server
from app.assembly.routes import ROUTERS
from app.cache.cache import Cache
from app.cache.found import Found
from app.cache.shared import NothingShared, Reading
from app.clients import connections
from app.clients.checked_resolver import CheckedResolver
from app.clients.http import Clients, Partner
from app.clients.partner_client import HttpClient
from app.jobs import queue, store
from app.jobs.attempt import Attempt, Outcome
from app.jobs.job import Job
from app.jobs.recording import Recorder
from app.jobs.sql import sql
from app.persistence import database, engine, errors
from app.persistence.line import Line
from app.resilience.concurrency_limit import ConcurrencyLimit
from app.resilience.policy import Guard, Operation
from app.resilience.single_flight import SingleFlight
from app.security import callers
from app.security.keys import Key
from app.security.models import ApiKey
from app.security.principal import Principal
from app.security.public import public
from app.web import authentication, dependencies
from app.web.idempotency import dependencies as idempotency
from app.web.idempotency.claims import Claim
from app.web.middleware.body_limit import LimitedBody
from app.web.problems import Problem
from app.web.protocol import BoundedProtocol
from tests.support.switching import Switch, idle, nothing, replaced

# Before anything of it is switched off.
SERVER_SETTINGS = engine.server_settings
TRANSLATE = errors.translate
SHUTDOWN = server.DrainingServer.shutdown
PARAMETERS = queue.parameters


def commit_after_answering(patch: MonkeyPatch) -> None:
    """FastAPI's default for a dependency that yields."""
    depends = dependencies.Session.__metadata__[0]  # type: ignore[attr-defined] # Annotated has it at run time
    patch.setitem(vars(depends), "scope", None)


def shown(value: Any) -> Any:
    """Instead of the mask."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


async def unlocked(_connection: Any, **_: Any) -> None:
    """Migrate at once, whoever else does."""


def only_wrong_secrets(key: Key, row: ApiKey | None) -> callers.Refusal | None:
    """Never revoked, never expired."""
    return callers.Refusal.UNKNOWN if row is None or key.digest != row.digest else None


async def enqueue_at_once(self: queue.JobQueue, job: Job) -> int:
    """Whatever becomes of the data."""
    found = await self.session.execute(queue.ENQUEUE, queue.parameters(job))
    await self.session.commit()
    return int(found.scalar_one())


async def read_in_transaction(self: database.Database, work: Callable[[Connection], Any]) -> Any:
    """Like a change."""
    async with self.transaction() as session:
        return await (await session.connection()).run_sync(work)


def without_keys(patch: MonkeyPatch) -> None:
    """As if no request carried one."""
    patch.setattr(Claim, "make", idle)
    patch.setattr(Claim, "store", idle)


async def granted(*_: Any, **__: Any) -> bool:
    """Whoever else has it."""
    return True


async def none_forgotten(*_: Any, **__: Any) -> int:
    """However many have expired."""
    return 0


async def same_for_all(_request: Any) -> bytes:
    """Instead of a request's fingerprint."""
    return bytes(32)


def no_windows(*_: Any, **__: Any) -> None:
    """As if there was no Redis."""


def failing(*_: Any) -> None:
    """Without Redis no request."""
    raise RuntimeError


class RoomForAll(ConcurrencyLimit):
    """However many are in."""

    def try_enter(self) -> bool:
        self.in_flight += 1
        return True


def scheduled_by_anybody() -> TextClause:
    """Each worker's schedule is a schedule of its own."""
    return sql(store.DEFER_SCHEDULED.text.replace("CAST(:cron AS text)", "CAST(:cron AS text) || random()"))


async def patient(self: Guard, operation: Operation[Any], _ends_at: float) -> Any:
    """However long it takes."""
    return await operation()


async def without_fallback(_self: HttpClient, wanted: Awaitable[Any], _fallback: Any) -> Any:
    """What is wanted, or nothing."""
    return await wanted


async def unbounded(_self: connections.Connections, response: Any, _most_bytes: int) -> bytes:
    """All of it; a few bytes show that."""
    return bytes((await response.read())[:10])


async def unchecked(self: CheckedResolver, host: str, port: int, family: Any) -> Any:
    """Whatever the name leads to."""
    return await self.resolver.resolve(host, port, family)


def follow_redirects(patch: MonkeyPatch) -> None:
    """As the library does by itself."""
    ask = aiohttp.ClientSession._request

    async def asking(*given: Any, **options: Any) -> Any:
        return await ask(*given, **{**options, "allow_redirects": True})

    patch.setattr(aiohttp.ClientSession, "_request", asking)


async def run_alone(_self: SingleFlight[Any, Any], _key: object, operation: Any) -> Any:
    """Each for itself."""
    return await operation()


async def unshared(*_: Any) -> Reading:
    """As if Redis was gone."""
    raise NothingShared


def taken_as_it_is(header: bytes) -> str:
    """Whatever a caller sends, and if it is nothing."""
    return header.decode("latin-1")


def without_request_id(**facts: Any) -> Problem:
    """A problem that nobody can ask about."""
    return Problem(**{**facts, "request_id": None})


def patient_with_heads(self: BoundedProtocol) -> None:
    """As it is for the rest of a body."""
    if not self.is_in_head:
        self.close()


def patient_with_rests(self: BoundedProtocol) -> None:
    """As it is for heads."""
    if self.is_in_head:
        self.refuse(HTTPStatus.REQUEST_TIMEOUT, "Too late.")


async def whenever_it_arrives(self: LimitedBody, _end: float) -> Any:
    """Bounded in size alone."""
    return await RequestBodyLimitResponder.receive_with_limit(self)


def from_elsewhere(value: str) -> str:
    """The address of the page's files, at somebody else's."""
    return html.escape(value.replace("/docs/assets/", "//cdn.example.com/"))


def lenient_policy(_nonce: str, **_sources: str) -> str:
    """What people write when a strict one stands in their way."""
    return "default-src * 'unsafe-inline' 'unsafe-eval'"


class NewestFirst(asyncio.Semaphore):
    """Whoever came last is served first."""

    def release(self) -> None:
        if self._waiters:
            self._waiters.rotate()
        super().release()


def straight_to_the_pool(patch: MonkeyPatch) -> None:
    """Nobody stands in a line."""
    patch.setattr(Line, "__aenter__", idle)
    patch.setattr(Line, "__aexit__", idle)


def serve_newest_first(patch: MonkeyPatch) -> None:
    """Of those who wait for a connection."""
    begin = Line.__init__

    def begin_so(self: Line, **options: Any) -> None:
        begin(self, **options)
        self.free = NewestFirst(self.size)

    patch.setattr(Line, "__init__", begin_so)


def without_setting(name: str) -> Switch:
    """What the server is told at the start of a connection, but for one thing."""

    def shortened(options: engine.ConnectionOptions) -> dict[str, str]:
        return {key: value for key, value in SERVER_SETTINGS(options).items() if key != name}

    return replaced(engine, "server_settings", shortened)


def as_if_nothing_was_written(error: Any, **_: Any) -> Exception:
    """Also when the commit was on its way."""
    return TRANSLATE(error, is_committing=False)


def key_for_everybody(self: Clients, _partner: Partner) -> dict[str, str]:
    """The first that there is."""
    secrets = [partner.secret for partner in self.partners.values() if partner.secret]
    return {"Authorization": f"Bearer {secrets[0]}"} if secrets else {}


def callers_alike(request: Any) -> Principal:
    """Of one tenant."""
    return replace(authentication.caller_of(request), subject="somebody")


def unremembered(_kind: Any, **_: Any) -> Any:
    """The decorator, for functions that are called each time."""

    def decorate(load: Any) -> Any:
        async def get(_cache: Cache, /, *given: Any, **options: Any) -> Found[Any]:
            return Found(await load(*given, **options), is_stale=False)

        return get

    return decorate


def take_no_key(patch: MonkeyPatch) -> None:
    """A route that requires a key accepts one."""
    depends = idempotency.RequiredIdempotencyKey.__metadata__[0]  # type: ignore[attr-defined] # as above
    patch.setitem(vars(depends), "dependency", idempotency.accept_key)


def tell_metrics_to_everybody(patch: MonkeyPatch) -> None:
    """A route as people add it."""
    leaking = APIRouter()
    leaking.add_api_route("/metrics", public(application_metrics))
    patch.setattr(application, "ROUTERS", [*ROUTERS, leaking])


async def application_metrics() -> str:
    return "http_requests_total 1"


async def cut_off(self: server.DrainingServer, sockets: Any = None) -> None:
    """What is in flight."""
    for task in self.server_state.tasks:
        task.cancel()
    await SHUTDOWN(self, sockets)


def always(owner: object, name: str, value: object) -> Switch:
    """Whatever is assigned to it."""
    return lambda patch: patch.setattr(owner, name, property(lambda _self: value, nothing), raising=False)


def due_now(job: Job, *, run_at: datetime | None = None) -> dict[str, object]:
    """Whatever time was named."""
    return PARAMETERS(job)


async def without_limit(self: Attempt[Any], handler: Any, job: Job) -> None:
    """However long it takes."""
    await handler.run(job, self.resources)


async def deaf(*_: Any, **__: Any) -> None:
    """To notifications."""
    await asyncio.Event().wait()


def only_tell(self: Recorder, _name: str, outcome: Outcome, *, seconds: float) -> None:
    """In the log, and not in the metrics."""
    self.tell(outcome, seconds=seconds)


async def nothing_waits(_store: store.Store) -> store.Sample:
    """Whatever is in the queue."""
    return store.Sample(*[0 for _ in fields(store.Sample)])


async def reminded_of_nothing(*_: Any) -> list[str]:
    """Redis is left as empty as it came back."""
    return []
