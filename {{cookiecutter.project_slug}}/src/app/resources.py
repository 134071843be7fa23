"""Everything that is open while the service runs, and how to tell that it is alive."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pydantic import SecretStr

from app.cache.broadcast import Broadcast, open_broadcast
from app.cache.cache import Cache
from app.cache.circuit_wishes import CircuitWishes
from app.cache.guarded_redis import GuardedRedis, open_guarded_redis
from app.cache.redis import Redis, open_redis, ping
from app.cache.shared import SharedEntries
from app.clients.circuit_events import CircuitEvents
from app.clients.http import Clients, Partner, open_clients
from app.clients.shared_breakers import open_shared_breakers
from app.core.checks import Check
from app.core.identity import service_identity
from app.core.rates import Rate
from app.observability.metrics import Metrics, PartnerMetrics
from app.persistence.database import Database, open_database
from app.persistence.engine import ConnectionOptions
from app.persistence.schema_check import SchemaCheck
from app.security.callers import Callers
from app.settings import Settings, essentials

R = TypeVar("R", bound=Redis)


@dataclass(frozen=True)
class Resources:
    """Opened once for each process, closed in reverse order."""

    metrics: Metrics
    database: Database
    redis: GuardedRedis | None
    cache: Cache
    clients: Clients
    callers: Callers
    secret_key: bytes
    keep_jobs_days: int
    keep_answers_hours: int
    checks: tuple[Check, ...]


@asynccontextmanager
async def open_resources(settings: Settings, metrics: Metrics) -> AsyncIterator[Resources]:
    """Open in order; beside each opening stands the check that proves the thing alive."""
    async with AsyncExitStack() as stack:
        checks: list[Check] = []

        database = database_from(settings, metrics)
        stack.push_async_callback(database.close)
        checks.append(Check("database", database.ping, is_critical=True))
        checks.append(Check("schema", SchemaCheck(database).probe, is_critical=True))

        events = CircuitEvents(metrics)
        redis = redis_from(settings, open_guarded_redis, max_connections=settings.redis.pool_size)
        if redis is not None:
            stack.push_async_callback(redis.aclose)
            events.watch(redis.circuit)
            checks.append(Check("redis", partial(ping, redis), is_critical=False))
        broadcast = await stack.enter_async_context(broadcast_from(settings, redis, metrics))
        cache = cache_from(settings, redis, broadcast, metrics)
        stack.push_async_callback(cache.close)

        clients = await stack.enter_async_context(clients_from(settings, redis, broadcast, events))
        checks.extend(clients.checks())

        callers = Callers(database, refused=Rate.parse(settings.rate.limit_refused), metrics=metrics)
        stack.push_async_callback(callers.close)
        yield Resources(
            metrics=metrics,
            database=database,
            redis=redis,
            cache=cache,
            clients=clients,
            callers=callers,
            secret_key=essentials(settings).secret_key,
            keep_jobs_days=settings.jobs.keep_days,
            keep_answers_hours=settings.idempotency.keep_hours,
            checks=tuple(checks),
        )


def database_from(settings: Settings, metrics: Metrics) -> Database:
    """PostgreSQL, with its pool in the metrics."""
    database = open_database(
        connection_options(settings),
        pool_size=settings.database.pool_size,
        wait_seconds=settings.database.pool_wait_seconds,
    )
    measure_pool(database, metrics)
    return database


def connection_options(settings: Settings) -> ConnectionOptions:
    """How this process connects to PostgreSQL. Raises `ConfigurationError`."""
    return ConnectionOptions(
        url=essentials(settings).database_url,
        application_name=service_identity().name,
        tls_off=settings.database.tls == "off",
        statement_timeout=settings.database.statement_timeout_seconds,
        idle_in_transaction_timeout=settings.database.idle_transaction_timeout_seconds,
    )


def measure_pool(database: Database, metrics: Metrics) -> None:
    """Let the scrape read the pool, so that requests pay nothing for it."""
    metrics.database.connections.labels("used").set_function(lambda: database.line.used)
    metrics.database.connections.labels("free").set_function(lambda: database.line.size - database.line.used)
    metrics.database.waiting.set_function(lambda: database.line.waiting)


def broadcast_from(settings: Settings, redis: Redis | None, metrics: Metrics) -> AbstractAsyncContextManager[Broadcast]:
    """It listens on a connection of its own."""
    listening = redis_from(settings, open_redis, max_connections=1)
    return open_broadcast(redis, listening, prefix=service_identity().key_prefix, metrics=metrics)


@asynccontextmanager
async def clients_from(
    settings: Settings, redis: Redis | None, broadcast: Broadcast, events: CircuitEvents
) -> AsyncIterator[Clients]:
    """Those of the partners whose address is set, and their circuits, which all processes share."""
    partners = partners_from(settings)
    wishes = CircuitWishes(redis, prefix=service_identity().key_prefix) if redis else None
    names = [partner.name for partner in partners]
    async with (
        open_shared_breakers(events=events, broadcast=broadcast, wishes=wishes, names=names) as breakers,
        open_clients(
            partners,
            metrics=PartnerMetrics(events.metrics.registry),
            on_guard=lambda guard: breakers.add(guard.breaker),
        ) as clients,
    ):
        yield clients


def cache_from(settings: Settings, redis: Redis | None, broadcast: Broadcast, metrics: Metrics) -> Cache:
    """Shared by all processes if there is a Redis."""
    return Cache(
        SharedEntries(redis, prefix=service_identity().key_prefix + "cache:") if redis else None,
        broadcast,
        memory_bytes=settings.cache.memory_bytes,
        value_bytes=settings.cache.value_bytes,
        metrics=metrics,
    )


def redis_from(settings: Settings, open_client: Callable[..., R], *, max_connections: int) -> R | None:
    """Redis, if one is configured."""
    url: SecretStr | None = settings.redis.url
    if url is None:
        return None
    return open_client(
        url.get_secret_value(), timeout_seconds=settings.redis.timeout_seconds, max_connections=max_connections
    )


def partners_from(settings: Settings) -> list[Partner]:
    """Those whose address is set."""
    return [
        Partner(name, section.url, section.api_key.get_secret_value() if section.api_key else None)
        for name, section in settings.partners.items()
        if section.url
    ]
