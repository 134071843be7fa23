"""One pool of connections to Redis, with time-outs short enough that a dead one costs little."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def open_redis(url: str, *, timeout_seconds: float, max_connections: int) -> Redis:
    """A client that connects at first use.

    `timeout_seconds` bounds connecting, each answer, and the wait for a free connection; the
    library's own default of 5 s would hold a request longer than its budget.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 1),  # once: the server may have closed an idle connection
    )
    return Redis.from_pool(pool)
