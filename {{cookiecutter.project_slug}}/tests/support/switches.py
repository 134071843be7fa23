"""How to switch each feature off, so that a test can show that it would be missed.

`docs/features.md` names these switches. Each takes one thing out of the assembled service.
"""

import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from typing import Any

import aiohttp
from fastapi import APIRouter
from fastapi.utils import generate_unique_id
from pydantic import SecretStr
from pytest import MonkeyPatch  # noqa: PT013 - a type here
from sqlalchemy import TextClause
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.assembly import application, caller_limits, instruments, policies, routes, server
from app.cache import cache
from app.cache.cache import Cache
from app.cache.finding import Finding
from app.cache.found import Found, Load
from app.cache.guarded_redis import GuardedRedis
from app.cache.invalidation import Invalidation
from app.cache.memory import Entry
from app.cache.redis import Redis
from app.cache.shared import NothingShared, Reading, SharedEntries
from app.cli import config
from app.clients import calls, connections
from app.clients.checked_resolver import CheckedResolver
from app.clients.circuit_events import CircuitEvents
from app.clients.http import Clients
from app.clients.ledger import Ledger
from app.clients.partner_client import HttpClient
from app.clients.shared_breakers import SharedBreakers
from app.clients.ssrf_guard import UrlRules
from app.core.versions import SeenVersions
from app.health import draining
from app.jobs import pruning, queue, running, store
from app.jobs.attempt import Ending
from app.jobs.job import Job
from app.jobs.presence import Presence
from app.jobs.sql import sql
from app.jobs.worker import Worker
from app.observability import logging, redaction
from app.observability.error_tracking import ErrorTracker
from app.observability.log_output import LogOutput
from app.persistence import database, engine, errors, migrations
from app.resilience import bulkhead, retry
from app.resilience.circuit_breaker import CircuitBreaker
from app.resilience.concurrency_limit import ConcurrencyLimit, Priority
from app.resilience.policy import Guard, Operation
from app.resilience.retry_budget import RetryBudget
from app.resilience.single_flight import SingleFlight
from app.security import callers
from app.security.keys import Key
from app.security.limit_refusals import LimitRefusals
from app.security.models import ApiKey
from app.security.rate_limiter import RateLimiter
from app.security.verified_keys import VerifiedKeys
from app.settings import loading
from app.web import authentication, dependencies, openapi, problems
from app.web.connection import EndingProtocol
from app.web.idempotency import dependencies as idempotency
from app.web.idempotency.claims import Claim
from app.web.idempotency.repository import StoredAnswerRepository
from app.web.middleware import address_limit, error_boundary, load_shedding
from app.web.middleware.abandoned_requests import AbandonedRequests
from app.web.middleware.access_log import AccessLog
from app.web.middleware.body_limit import BodyLimit
from app.web.middleware.client_address import ClientAddress
from app.web.middleware.compression import Compression
from app.web.middleware.conditional_requests import ConditionalRequests
from app.web.middleware.cors import Cors
from app.web.middleware.deadline import Deadlines
from app.web.middleware.http_metrics import HttpMetrics
from app.web.middleware.json_bodies import JsonBodies
from app.web.middleware.load_shedding import LoadShedding
from app.web.middleware.rate_limit_headers import RateLimitHeaders
from app.web.middleware.request_context import RequestContext
from app.web.middleware.security_headers import SecurityHeaders
from app.web.middleware.transaction_retry import TransactionRetry
from app.web.middleware.trusted_hosts import TrustedHosts
from app.web.pagination import Cursors
from app.web.protocol import BoundedProtocol
from app.web.rate_limits import CallerLimits
from app.web.shared_answers import dependencies as shared_answers
from app.web.shared_answers.turn import Turn
from tests.features.orders.switches import SWITCHES as ORDERS  # option: example
from tests.support.switching import (
    Switch,
    idle,
    nothing,
    replaced,
    without_check,
    without_concern,
    without_middleware,
)


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


async def unlocked(_connection: Any) -> None:
    """Migrate at once, whoever else does."""


def only_wrong_secrets(key: Key, row: ApiKey | None) -> callers.Refusal | None:
    """Never revoked, never expired."""
    return callers.Refusal.UNKNOWN if row is None or key.digest != row.digest else None


async def enqueue_at_once(self: queue.JobQueue, job: Job) -> int:
    """Whatever becomes of the data."""
    found = await self.session.execute(queue.ENQUEUE, queue.parameters(job))
    await self.session.commit()
    return int(found.scalar_one())


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


async def loaded_each_time(_cache: Cache, _kind: Any, _key: str, load: Load[Any], **_: Any) -> Found[Any]:
    """Whatever was loaded before."""
    return Found(await load(), is_stale=False)


async def unshared(*_: Any) -> Reading:
    """As if Redis was gone."""
    raise NothingShared


SWITCHES: dict[str, Switch] = {
    "request-context": without_concern(RequestContext),
    "access-log": without_concern(AccessLog),
    "http-metrics": without_concern(HttpMetrics),
    "security-headers": without_concern(SecurityHeaders),
    "bounded-protocol": replaced(server, "BoundedProtocol", HttpToolsProtocol),
    "unread-answers": replaced(EndingProtocol, "await_reader", nothing),
    "pipelined-requests": replaced(EndingProtocol, "on_headers_complete", HttpToolsProtocol.on_headers_complete),
    "missed-callers": replaced(EndingProtocol, "connection_lost", HttpToolsProtocol.connection_lost),
    "dropped-trailers": replaced(BoundedProtocol, "on_header", HttpToolsProtocol.on_header),
    "trusted-hosts": without_middleware(TrustedHosts),
    "cors": without_middleware(Cors),
    "client-address": without_concern(ClientAddress),
    "address-limit": without_middleware(address_limit.AddressLimit),
    "tighter-while-shedding": replaced(address_limit, "COST_WHILE_SHEDDING", 1),
    "caller-limits": replaced(CallerLimits, "count", idle),
    "shared-limits": replaced(caller_limits, "MovingWindows", no_windows),
    "local-limits": replaced(RateLimiter, "leave", failing),
    "rate-limit-headers": without_concern(RateLimitHeaders),
    "counted-limits": replaced(policies, "counts_requests", lambda _route: True),
    "refused-keys": replaced(callers.Callers, "check_address", nothing),
    "told-refusals": replaced(LimitRefusals, "record", lambda *_, **__: None),
    "error-boundary": without_middleware(error_boundary.ErrorBoundary),
    "body-limit": without_middleware(BodyLimit),
    "json-bodies": without_middleware(JsonBodies),
    "compression": without_middleware(Compression),
    "conditional-requests": without_middleware(ConditionalRequests),
    "idempotency": without_keys,
    "idempotency-lock": replaced(StoredAnswerRepository, "lock", granted),
    "idempotency-fingerprints": replaced(idempotency, "fingerprint", same_for_all),
    "documented-idempotency": replaced(openapi, "describe_keys", nothing),
    "pruned-idempotency-keys": replaced(StoredAnswerRepository, "forget_expired", none_forgotten),
    "load-shedding": without_middleware(LoadShedding),
    "known-keys-first": replaced(load_shedding, "priority_of", lambda _scope: Priority.ANONYMOUS),
    "deadlines": without_middleware(Deadlines),
    "statement-budget": replaced(database.Database, "shorten_statements", idle),
    "abandoned-requests": without_middleware(AbandonedRequests),
    "transaction-retry": without_middleware(TransactionRetry),
    "problems": replaced(application, "HANDLERS", {}),
    "allowed-methods": replaced(problems, "allowed_methods", nothing),
    "documented-problems": replaced(openapi, "describe_problems", lambda _document: None),
    "signed-cursors": replaced(Cursors, "signature", lambda *_: bytes(8)),
    "seen-versions": replaced(SeenVersions, "require", nothing),
    "operation-names": replaced(routes, "operation_id", generate_unique_id),
    "documented-scopes": replaced(openapi, "describe_scopes", nothing),
    "api-keys": replaced(callers, "fault_of", nothing),
    "useless-keys": replaced(callers, "fault_of", only_wrong_secrets),
    "scopes": replaced(callers.Callers, "demand", nothing),
    "deny-by-default": replaced(application, "check_policies", nothing),
    "verified-keys": replaced(VerifiedKeys, "get", nothing),
    "caller-in-logs": replaced(authentication, "bind_caller", lambda **_: None),
    "counted-refusals": replaced(callers.Callers, "record", lambda *_, **__: None),
    "redacted-keys": replaced(redaction, "API_KEY", re.compile("(?!)")),
    "api-reference": replaced(application, "api_reference_router", lambda **_: APIRouter()),
    "commit-first": commit_after_answering,
    "read-sessions": replaced(database.Database, "reading", database.Database.transaction),
    "fair-queue": replaced(database.Database, "turn", without_waiting),
    "dead-connections": replaced(engine, "refuse_closed_connection", lambda *_: None),
    "refused-values": replaced(errors, "MEANINGS", {}),
    "missing-schema": lambda patch: patch.delitem(errors.MEANINGS, "42P01"),
    "statement-timeout": replaced(engine, "server_settings", lambda _options: {}),
    "database-check": without_check("database"),
    "schema-check": without_check("schema"),
    "redis-check": without_check("redis"),
    "redis-circuit": replaced(GuardedRedis, "execute_command", Redis.execute_command),
    "circuit-breaker": replaced(CircuitBreaker, "judge", nothing),
    "slow-calls": replaced(CircuitBreaker, "is_slow", lambda *_: False),
    "call-retries": replaced(retry, "may_help", lambda *_, **__: False),
    "retry-budget": replaced(RetryBudget, "take", lambda _self: True),
    "bulkhead": replaced(bulkhead, "ConcurrencyLimit", RoomForAll),
    "call-deadlines": replaced(Guard, "must_end_at", lambda _self: inf),
    "shared-breakers": replaced(SharedBreakers, "tell_of_opening", nothing),
    "forced-breakers": replaced(SharedBreakers, "obey", nothing),
    "circuit-events": replaced(CircuitEvents, "tell", nothing),
    "call-within-request": replaced(calls, "remaining", lambda: inf),
    "attempt-time-outs": replaced(Guard, "past_the_circuit", patient),
    "safe-retries": replaced(retry, "may_help", lambda *_, **__: True),
    "retry-after": replaced(calls, "seconds_to_wait", lambda _headers: 0.0),
    "single-flight": replaced(calls.Calls, "once_for_all", calls.Calls.guarded),
    "bounded-answers": replaced(connections.Connections, "read", unbounded),
    "redirects-off": follow_redirects,
    "verified-certificates": replaced(connections, "Connector", partial(connections.Connector, ssl=False)),
    "call-context": replaced(calls, "context_headers", dict),
    "partner-keys": replaced(Clients, "headers_for", lambda *_: {}),
    "quiet-failures": replaced(connections, "cause_of", repr),
    "told-calls": replaced(Ledger, "tell", lambda *_, **__: None),
    "fallbacks": replaced(HttpClient, "or_else", without_fallback),
    "circuits-in-health": replaced(Clients, "checks", lambda _self: []),
    "ssrf-guard": replaced(UrlRules, "check", nothing),
    "checked-addresses": replaced(CheckedResolver, "resolve", unchecked),
    "ended-by-force": replaced(server, "end_within", lambda *_, **__: None),
    "draining": replaced(draining.Draining, "begin", lambda _self: None),
    "error-tracking": replaced(instruments, "open_error_tracker", lambda **_: ErrorTracker(nothing, nothing)),
    "unsafe-settings": replaced(loading, "unsafe", lambda _settings: []),
    "misspelled-settings": replaced(loading, "near_misses", lambda *_: {}),
    "masked-secrets": replaced(config, "masked", shown),
    "migration-lock": replaced(migrations, "lock_out_others", unlocked),
    "redaction": replaced(logging, "redact_event", lambda _logger, _method, event: event),
    "enqueue-with-data": replaced(queue.JobQueue, "enqueue", enqueue_at_once),
    "retries": replaced(Job, "max_attempts", 1),
    "dead-letter": lambda patch: patch.setitem(running.STATUSES, Ending.FAILED, "succeeded"),
    "rescue": replaced(Presence, "take_over", idle),
    "scheduled-once": replaced(store, "DEFER_SCHEDULED", scheduled_by_anybody()),
    "graceful-stop": replaced(Worker, "finish", idle),
    "worker-check": replaced(Worker, "probe", idle),
    "pruned-jobs": replaced(pruning, "PRUNE", sql("SELECT 1 WHERE false AND :days > :batch")),
    "unread-log": replaced(LogOutput, "wake", LogOutput.write_lines),
    "job-context": replaced(running, "begin_job", lambda **_: None),
    "cached-functions": replaced(Cache, "get", loaded_each_time),
    "old-values-in-time": replaced(cache, "remaining", lambda: inf),
    "shared-loads": replaced(SingleFlight, "run", run_alone),
    "cache-lock": replaced(SharedEntries, "lock", granted),
    "shared-cache": replaced(SharedEntries, "read", unshared),
    "stale-values": replaced(Entry, "is_servable", lambda entry, now: now < entry.fresh_until),
    "old-values": replaced(Entry, "is_fallback", lambda *_: False),
    "cache-invalidation": replaced(Invalidation, "hear", nothing),
    "after-commit": replaced(database, "run_actions", idle),
    "shared-answers": replaced(Turn, "come", idle),
    "answers-by-time": replaced(shared_answers, "ALWAYS_VARIES", ("host",)),
    "kept-answers": replaced(Finding, "keep", idle),
    "declared-sharing": replaced(policies, "sharing_problems", lambda _policy: []),
    **ORDERS,  # option: example
}
