"""One pool of connections to Redis, with time-outs short enough that a dead one costs little."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

__all__ = ["Redis", "connection_pool", "is_understood", "open_redis", "ping"]


def open_redis(url: str, *, timeout_seconds: float, max_connections: int) -> Redis:
    """A client that connects at first use."""
    return Redis.from_pool(connection_pool(url, timeout_seconds=timeout_seconds, max_connections=max_connections))


def connection_pool(url: str, *, timeout_seconds: float, max_connections: int) -> BlockingConnectionPool:
    """`timeout_seconds` bounds connecting, each answer, and the wait for a free connection.

    The library's own default of 5 s would hold a request longer than its budget.
    """
    return BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        # Once, and only a lost connection (the server may have closed it while idle): trying again what
        # timed out would double the wait.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
    )


def is_understood(url: str) -> bool:
    """Whether the library would connect to it. It knows a wrong option only when it makes a connection."""
    try:
        pool = connection_pool(url, timeout_seconds=1, max_connections=1)
        pool.make_connection()  # type: ignore[no-untyped-call] # redis leaves it untyped
    except (TypeError, ValueError, RedisError):
        return False
    return True


async def ping(redis: Redis) -> None:
    """Return if Redis answers, raise if it does not. Past a circuit, if the client has one: it finds out the truth."""
    await Redis.execute_command(redis, "PING")  # type: ignore[no-untyped-call] # redis leaves it untyped
