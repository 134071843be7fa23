"""A client of Redis that does not ask a Redis that is known to be dead or frozen: that costs requests nothing."""

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisSilent

from app.cache.redis import Redis, connection_pool, ping
from app.core.tasks import end
from app.resilience.circuit_breaker import BreakerOptions, Change, CircuitBreaker, CircuitState

# How often to look whether Redis answers again. Nobody waits for it, so it need not be seldom.
PROBE_SECONDS = 0.5


# It opens early: nobody depends on Redis, and half a second without it harms less than to wait for it. An answer is an
# answer however late: what passes for slowness is mostly a stall of our own, and the time-out bounds it.
BREAKER = BreakerOptions(
    window=10,
    window_seconds=10.0,
    minimum_calls=3,
    open_seconds=0.0,  # our own question decides, not time
    probes=1,
)


class GuardedRedis(Redis):
    """Every command asks the circuit first, and raises `CircuitOpen` instead of waiting.

    While it is open, one question in the background finds out when Redis answers again, so no request has to. Pipelines
    and subscriptions are not guarded.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self.circuit = CircuitBreaker("redis", BREAKER)
        self.circuit.listeners.append(self.look_for_return)
        self.returning: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # Any: as the library declares it
        """One command. Raises `CircuitOpen`, and what the library raises."""
        ticket = self.enter()
        try:
            found = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis leaves it so
        except (ConnectionLost, RedisSilent, OSError) as error:
            if not is_of_the_pool(error):
                self.record(ticket, is_failed=True)
            raise
        except RuntimeError as error:  # uvloop's word for a connection that was cut in this very moment
            self.record(ticket, is_failed=True)
            raise ConnectionLost(str(error)) from error
        except RedisError:  # an answer, if not the one that was wanted
            self.record(ticket, is_failed=False)
            raise
        self.record(ticket, is_failed=False)
        return found

    def record(self, ticket: int, *, is_failed: bool) -> None:
        """Whoever gave up records nothing: commands are no probes, so they have no place to give back."""
        self.circuit.record(ticket, seconds=0.0, is_failed=is_failed)

    def enter(self) -> int:
        """Raises `CircuitOpen`. Commands are no probes."""
        if self.circuit.state in {CircuitState.OPEN, CircuitState.HALF_OPEN}:
            raise self.circuit.refusal()
        return self.circuit.enter()

    def look_for_return(self, change: Change) -> None:
        """A listener of the circuit's."""
        if change.after is CircuitState.OPEN and (self.returning is None or self.returning.done()):
            # In no request's context: the line that says when it is over must not name whoever found the outage.
            self.returning = asyncio.create_task(self.close_when_it_answers(), context=Context())

    async def close_when_it_answers(self) -> None:
        """Until the circuit is not open any more."""
        while self.circuit.state is CircuitState.OPEN:
            await asyncio.sleep(PROBE_SECONDS)
            with suppress(Exception):  # also what the library makes of nonsense: nobody else would look again
                await ping(self)
                self.record(self.circuit.enter(), is_failed=False)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Look no more, and close all connections."""
        await end(self.returning)
        await super().aclose(close_connection_pool)


def is_of_the_pool(error: Exception) -> bool:
    """Whether all our connections were in use for too long, which says nothing about Redis.

    The library has no class for it: of what it takes for a lost connection, only this comes of a wait that ended.
    """
    return isinstance(error, ConnectionLost) and isinstance(error.__cause__, TimeoutError)


def open_guarded_redis(url: str, *, timeout_seconds: float, max_connections: int) -> GuardedRedis:
    """Like `open_redis`."""
    pool = connection_pool(url, timeout_seconds=timeout_seconds, max_connections=max_connections)
    return GuardedRedis(pool)
