"""Everything that is open while the service runs, and how to tell that it is alive."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from app.cache.redis import Redis, open_redis, ping
from app.core.checks import Check
from app.core.identity import service_identity
from app.core.rates import Rate
from app.observability.metrics import Metrics
from app.persistence.database import Database, open_database
from app.persistence.engine import ConnectionOptions
from app.persistence.schema_check import SchemaCheck
from app.security.callers import Callers
from app.settings import Settings, essentials


@dataclass(frozen=True)
class Resources:
    """Opened once for each process, closed in reverse order."""

    metrics: Metrics
    database: Database
    redis: Redis | None
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

        database = open_database(
            connection_options(settings),
            pool_size=settings.database.pool_size,
            wait_seconds=settings.database.pool_wait_seconds,
        )
        stack.push_async_callback(database.close)
        measure_pool(database, metrics)
        checks.append(Check("database", database.ping, is_critical=True))
        checks.append(Check("schema", SchemaCheck(database).probe, is_critical=True))

        redis = redis_from(settings)
        if redis is not None:
            stack.push_async_callback(redis.aclose)
            checks.append(Check("redis", partial(ping, redis), is_critical=False))

        callers = Callers(database, refused=Rate.parse(settings.rate.limit_refused), metrics=metrics)
        stack.push_async_callback(callers.close)
        yield Resources(
            metrics=metrics,
            database=database,
            redis=redis,
            callers=callers,
            secret_key=essentials(settings).secret_key,
            keep_jobs_days=settings.jobs.keep_days,
            keep_answers_hours=settings.idempotency.keep_hours,
            checks=tuple(checks),
        )


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
    metrics.database_connections.labels("used").set_function(lambda: database.used)
    metrics.database_connections.labels("free").set_function(lambda: database.size - database.used)
    metrics.database_waiting.set_function(lambda: database.waiting)


def redis_from(settings: Settings) -> Redis | None:
    """Redis, if one is configured."""
    url: SecretStr | None = settings.redis.url
    if url is None:
        return None
    return open_redis(
        url.get_secret_value(),
        timeout_seconds=settings.redis.timeout_seconds,
        max_connections=settings.redis.pool_size,
    )
