"""How to switch each feature off, so that a test can show that it would be missed.

`docs/features.md` names these switches. Each takes one thing out of the assembled service.
"""

import re
from contextvars import copy_context
from functools import partial
from math import inf
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter
from fastapi.utils import generate_unique_id
from procrastinate.periodic import PeriodicDeferrer
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import resources
from app.assembly import application, caller_limits, instruments, management, policies, routes, server
from app.cache import cache, decorator
from app.cache.cache import Cache
from app.cache.circuit_wishes import CircuitWishes
from app.cache.finding import Finding
from app.cache.guarded_redis import GuardedRedis
from app.cache.invalidation import Invalidation
from app.cache.memory import Entry
from app.cache.redis import Redis
from app.cache.shared import SharedEntries
from app.cli import config, stored_keys
from app.clients import calls, connections, ssrf_guard
from app.clients.checked_resolver import CheckedResolver
from app.clients.circuit_events import CircuitEvents
from app.clients.http import Clients
from app.clients.ledger import Ledger
from app.clients.partner_client import HttpClient
from app.clients.shared_breakers import SharedBreakers
from app.clients.ssrf_guard import UrlRules
from app.core.versions import SeenVersions
from app.health import draining, watching
from app.health import routes as health_routes
from app.health.report import Health
from app.jobs import pruning, queue, running, schedules, store, worker
from app.jobs.attempt import Attempt, Ending
from app.jobs.job import Job
from app.jobs.operations import Operations
from app.jobs.presence import Presence
from app.jobs.recording import Recorder
from app.jobs.sql import sql
from app.jobs.worker import Worker
from app.observability import error_tracking, logging, redaction
from app.observability.error_tracking import ErrorTracker
from app.observability.log_output import LogOutput
from app.observability.metrics import Metrics
from app.persistence import database, engine, errors, migrations, troubles
from app.resilience import bulkhead, retry
from app.resilience.attempt import AttemptFailed
from app.resilience.circuit_breaker import CircuitBreaker
from app.resilience.concurrency_limit import ConcurrencyLimit, Priority
from app.resilience.policy import Guard
from app.resilience.retry_budget import RetryBudget
from app.resilience.single_flight import SingleFlight
from app.security import callers
from app.security.limit_refusals import LimitRefusals
from app.security.rate_limiter import RateLimiter
from app.security.repository import ApiKeyRepository
from app.security.verified_keys import VerifiedKeys
from app.settings import loading, sources
from app.web import authentication, connection, openapi, problems, protocol
from app.web.api_reference import pages
from app.web.connection import EndingProtocol
from app.web.idempotency import dependencies as idempotency
from app.web.idempotency.repository import StoredAnswerRepository
from app.web.middleware import (
    address_limit,
    compression,
    error_boundary,
    json_bodies,
    load_shedding,
    request_context,
    security_headers,
)
from app.web.middleware.abandoned_requests import AbandonedRequests
from app.web.middleware.access_log import AccessLog
from app.web.middleware.body_limit import BodyLimit, LimitedBody
from app.web.middleware.client_address import ClientAddress
from app.web.middleware.compression import Compression
from app.web.middleware.conditional_requests import ConditionalRequests
from app.web.middleware.cors import Cors
from app.web.middleware.deadline import Deadlines
from app.web.middleware.early_refusal import EarlyRefusal
from app.web.middleware.edge import Concern
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
from app.web.shared_answers.dependencies import Sharing
from app.web.shared_answers.turn import Turn
from tests.features.orders.switches import SWITCHES as ORDERS  # option: example
from tests.support.substitutes import (
    RoomForAll,
    always,
    as_if_nothing_was_written,
    callers_alike,
    commit_after_answering,
    cut_off,
    deaf,
    due_now,
    enqueue_at_once,
    failing,
    follow_redirects,
    from_elsewhere,
    granted,
    key_for_everybody,
    lenient_policy,
    no_windows,
    none_forgotten,
    nothing_waits,
    only_tell,
    only_wrong_secrets,
    patient,
    patient_with_heads,
    patient_with_rests,
    read_in_transaction,
    reminded_of_nothing,
    run_alone,
    same_for_all,
    scheduled_by_anybody,
    serve_newest_first,
    shown,
    straight_to_the_pool,
    take_no_key,
    taken_as_it_is,
    tell_metrics_to_everybody,
    unbounded,
    unchecked,
    unlocked,
    unremembered,
    unshared,
    whenever_it_arrives,
    without_fallback,
    without_keys,
    without_limit,
    without_request_id,
    without_setting,
)
from tests.support.switching import (
    Switch,
    idle,
    nothing,
    replaced,
    without_check,
    without_concern,
    without_middleware,
)

SWITCHES: dict[str, Switch] = {
    "request-context": without_concern(RequestContext),
    "made-request-ids": replaced(request_context, "request_id_from", taken_as_it_is),
    "problem-ids": replaced(problems, "Problem", without_request_id),
    "access-log": without_concern(AccessLog),
    "named-problems": replaced(error_boundary, "type_of", nothing),
    "http-metrics": without_concern(HttpMetrics),
    "requests-in-flight": replaced(HttpMetrics, "on_request", nothing),
    "private-metrics": tell_metrics_to_everybody,
    "security-headers": without_concern(SecurityHeaders),
    "strict-policy": replaced(security_headers, "NOTHING", "default-src *"),
    "operators-headers": replaced(management, "SecurityHeaders", Concern),
    "bounded-protocol": replaced(server, "BoundedProtocol", HttpToolsProtocol),
    "short-heads": replaced(protocol, "LONGEST_HEAD_BYTES", inf),
    "few-headers": replaced(protocol, "MOST_HEADERS", inf),
    "heads-in-time": replaced(BoundedProtocol, "give_up", patient_with_heads),
    "short-rests": replaced(protocol, "LONGEST_REST_BYTES", inf),
    "rests-in-time": replaced(BoundedProtocol, "give_up", patient_with_rests),
    "unread-answers": replaced(EndingProtocol, "await_reader", nothing),
    "pipelined-requests": replaced(EndingProtocol, "on_headers_complete", HttpToolsProtocol.on_headers_complete),
    "held-requests": replaced(EndingProtocol, "forget_request", nothing),
    "held-contexts": replaced(connection, "Context", copy_context),
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
    "limited-addresses": replaced(CallerLimits, "count_address", idle),
    "refused-keys": replaced(callers.Callers, "check_address", nothing),
    "told-refusals": replaced(LimitRefusals, "record", lambda *_, **__: None),
    "error-boundary": without_middleware(error_boundary.ErrorBoundary),
    "body-limit": without_middleware(BodyLimit),
    "bodies-in-time": replaced(LimitedBody, "receive_until", whenever_it_arrives),
    "unpacked-bodies": replaced(LimitedBody, "refuse_compressed", nothing),
    "json-bodies": without_middleware(JsonBodies),
    "declared-json": replaced(json_bodies, "is_json", lambda _content_type: True),
    "json-floods": replaced(json_bodies, "MOST_VALUES", inf),
    "compression": without_middleware(Compression),
    "coded-tags": replaced(compression, "without_ending", lambda value, **_: value),
    "conditional-requests": without_middleware(ConditionalRequests),
    "idempotency": without_keys,
    "idempotency-lock": replaced(StoredAnswerRepository, "lock", granted),
    "idempotency-fingerprints": replaced(idempotency, "fingerprint", same_for_all),
    "required-keys": take_no_key,
    "documented-idempotency": replaced(openapi, "describe_keys", nothing),
    "pruned-idempotency-keys": replaced(StoredAnswerRepository, "forget_expired", none_forgotten),
    "load-shedding": without_middleware(LoadShedding),
    "early-refusals": without_middleware(EarlyRefusal),
    "hopeless-lines": replaced(ConcurrencyLimit, "is_hopeless", lambda _limit, _priority: False),
    "known-keys-first": replaced(load_shedding, "priority_of", lambda _scope: Priority.ANONYMOUS),
    "deadlines": without_middleware(Deadlines),
    "shorter-deadlines": replaced(Deadlines, "budget", lambda self, _scope: self.seconds),
    "statement-budget": replaced(database.Database, "statement_limit", nothing),
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
    "own-assets": replaced(pages, "html", SimpleNamespace(escape=from_elsewhere)),
    "nonce-policy": replaced(pages, "page_policy", lenient_policy),
    "fresh-nonces": replaced(pages, "new_nonce", lambda: "x" * 22),
    "commit-first": commit_after_answering,
    "reads-alone": replaced(database.Database, "read", read_in_transaction),
    "bounded-queue": straight_to_the_pool,
    "fair-queue": serve_newest_first,
    "dead-connections": replaced(engine, "refuse_closed_connection", lambda *_: None),
    "told-troubles": replaced(troubles.Troubles, "add", nothing),
    "newer-schemas": replaced(migrations, "newer_revisions", lambda _schema: []),
    "refused-values": replaced(errors, "MEANINGS", {}),
    "missing-schema": lambda patch: patch.delitem(errors.MEANINGS, "42P01"),
    "statement-timeout": without_setting("statement_timeout"),
    "idle-transactions": without_setting("idle_in_transaction_session_timeout"),
    "named-connections": without_setting("application_name"),
    "unknown-outcomes": replaced(database, "translate", as_if_nothing_was_written),
    "read-only-servers": replaced(engine, "give_up_connection", nothing),
    "database-check": without_check("database"),
    "health-by-head": replaced(health_routes.router, "routes", health_routes.router.routes[::2]),  # GET, HEAD, GET, …
    "watched-health": replaced(watching, "watch", idle),
    "started": always(Health, "has_started", value=True),
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
    "reminded-redis": replaced(CircuitWishes, "remind", reminded_of_nothing),
    "forced-breakers": replaced(SharedBreakers, "obey", nothing),
    "circuit-events": replaced(CircuitEvents, "tell", nothing),
    "call-within-request": replaced(calls, "remaining", lambda: inf),
    "attempt-time-outs": replaced(Guard, "past_the_circuit", patient),
    "safe-retries": replaced(retry, "may_help", lambda *_, **__: True),
    "retry-after": replaced(calls, "seconds_to_wait", lambda _headers: 0.0),
    "awaited-partners": always(AttemptFailed, "wait_seconds", 0.0),
    "single-flight": replaced(calls.Calls, "once_for_all", calls.Calls.guarded),
    "bounded-answers": replaced(connections.Connections, "read", unbounded),
    "redirects-off": follow_redirects,
    "verified-certificates": replaced(connections, "Connector", partial(connections.Connector, ssl=False)),
    "call-context": replaced(calls, "context_headers", dict),
    "partner-keys": replaced(Clients, "headers_for", key_for_everybody),
    "quiet-failures": replaced(connections, "cause_of", repr),
    "told-calls": replaced(Ledger, "tell", lambda *_, **__: None),
    "fallbacks": replaced(HttpClient, "or_else", without_fallback),
    "circuits-in-health": replaced(Clients, "checks", lambda _self: []),
    "ssrf-guard": replaced(UrlRules, "check", nothing),
    "private-networks": replaced(ssrf_guard, "is_public", lambda address: not address.is_loopback),
    "doors-of-clouds": replaced(ssrf_guard, "SET_ASIDE", ()),
    "plain-urls": replaced(ssrf_guard, "parts_of", urlsplit),
    "checked-addresses": replaced(CheckedResolver, "resolve", unchecked),
    "ended-by-force": replaced(server, "end_within", lambda *_, **__: None),
    "draining": replaced(draining.Draining, "begin", lambda _self: None),
    "shutdown-delay": always(server.DrainingServer, "delay_seconds", 0.0),
    "finished-requests": replaced(server.DrainingServer, "shutdown", cut_off),
    "error-tracking": replaced(instruments, "open_error_tracker", lambda **_: ErrorTracker(nothing, nothing)),
    "scrubbed-reports": replaced(error_tracking, "scrub", lambda event, _hint: event),
    "unsafe-settings": replaced(loading, "unsafe", lambda _settings: []),
    "misspelled-settings": replaced(loading, "near_misses", lambda *_: {}),
    "masked-secrets": replaced(config, "masked", shown),
    "values-in-files": replaced(sources, "candidates", lambda _name: []),
    "made-keys": replaced(ApiKeyRepository, "add", idle),
    "revoked-keys": replaced(stored_keys, "take_back", granted),
    "migration-lock": replaced(migrations, "lock_out_others", unlocked),
    "redaction": replaced(logging, "redact_event", lambda _logger, _method, event: event),
    "enqueue-with-data": replaced(queue.JobQueue, "enqueue", enqueue_at_once),
    "retries": replaced(Job, "max_attempts", 1),
    "retried-jobs": replaced(Operations, "retry", idle),
    "cancelled-jobs": replaced(Operations, "cancel", idle),
    "later-jobs": replaced(queue, "parameters", due_now),
    "time-limits": replaced(Attempt, "within_its_time", without_limit),
    "told-workers": replaced(worker, "listen", deaf),
    "dead-letter": lambda patch: patch.setitem(running.STATUSES, Ending.FAILED, "succeeded"),
    "rescue": replaced(Presence, "take_over", idle),
    "scheduled-once": replaced(store, "DEFER_SCHEDULED", scheduled_by_anybody()),
    "missed-times": replaced(schedules, "PeriodicDeferrer", partial(PeriodicDeferrer, max_delay=0)),
    "graceful-stop": replaced(Worker, "finish", idle),
    "worker-check": replaced(Worker, "probe", idle),
    "pruned-jobs": replaced(pruning, "PRUNE", sql("SELECT 1 WHERE false AND :days > :batch")),
    "job-metrics": replaced(Recorder, "ended", only_tell),
    "queue-metrics": replaced(store.Store, "sample", nothing_waits),
    "unread-log": replaced(LogOutput, "wake", LogOutput.write_lines),
    "told-losses": replaced(LogOutput, "drop", nothing),
    "business-events": replaced(Metrics, "count_event", nothing),
    "pool-metrics": replaced(resources, "measure_pool", nothing),
    "job-context": replaced(running, "begin_job", lambda **_: None),
    "cached-functions": replaced(decorator, "cached", unremembered),
    "old-values-in-time": replaced(cache, "remaining", lambda: inf),
    "shared-loads": replaced(SingleFlight, "run", run_alone),
    "cache-metrics": replaced(Cache, "count", nothing),
    "cache-lock": replaced(SharedEntries, "lock", granted),
    "shared-cache": replaced(SharedEntries, "read", unshared),
    "stale-values": replaced(Entry, "is_servable", lambda entry, now: now < entry.fresh_until),
    "old-values": replaced(Entry, "is_fallback", lambda *_: False),
    "cache-invalidation": replaced(Invalidation, "hear", nothing),
    "after-commit": replaced(database, "run_actions", idle),
    "shared-answers": replaced(Turn, "come", idle),
    "answers-by-time": replaced(shared_answers, "ALWAYS_VARIES", ("host",)),
    "kept-answers": replaced(Finding, "keep", idle),
    "callers-answers": replaced(shared_answers, "caller_of", callers_alike),
    "tenants-answers": replaced(Sharing, "tenant_of", lambda *_: UUID(int=0)),
    "declared-sharing": replaced(policies, "sharing_problems", lambda _policy: []),
    **ORDERS,  # option: example
}
