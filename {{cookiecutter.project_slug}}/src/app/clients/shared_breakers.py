"""The circuits of this process: what they tell other processes, and what others and operators tell them.

A circuit that opens is told to all other processes at once, and no call asks Redis for it. Without Redis each process
finds out by itself, and nobody can force a circuit. A Redis that came back empty is told again what operators want, by
the first process that finds it so.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Never

import orjson
import structlog

from app.cache.broadcast import Broadcast
from app.cache.circuit_wishes import CircuitWishes, Wish, WishNotTold
from app.clients.circuit_events import CircuitEvents
from app.core.errors import Unavailable
from app.core.tasks import end
from app.resilience.backoff import Backoff
from app.resilience.circuit_breaker import Cause, Change, CircuitBreaker, CircuitState

log = structlog.get_logger()

OPENED = "circuit-opened"
WISHES_CHANGED = "circuit-wishes-changed"

# What this process has found out itself. What it was told is not told on.
FOUND_OUT = frozenset({Cause.FAILURES, Cause.SLOWNESS})

WISHED_STATES = {Wish.OPEN: CircuitState.FORCED_OPEN, Wish.CLOSED: CircuitState.FORCED_CLOSED}

READ_AGAIN = Backoff(first_seconds=0.2, longest_seconds=2.0)


class SharedBreakers:
    """Of one process. `names` are those that it may come to have; operators may force them before they are used."""

    def __init__(self, *, events: CircuitEvents, broadcast: Broadcast, names: Iterable[str]) -> None:
        self.events = events
        self.broadcast = broadcast
        self.names = list(names)
        self.breakers: dict[str, CircuitBreaker] = {}
        self.wanted: dict[str, Wish] = {}
        self.is_out_of_date = asyncio.Event()
        self.telling: set[asyncio.Task[bool]] = set()
        broadcast.subscribe(OPENED, self.hear_of_opening)
        broadcast.subscribe(WISHES_CHANGED, lambda _payload: self.is_out_of_date.set())
        broadcast.on_gap(self.is_out_of_date.set)

    def add(self, breaker: CircuitBreaker) -> None:
        """From now on it is shared, obeys operators, and is told of in the log and in the metrics."""
        self.breakers[breaker.name] = breaker
        self.events.watch(breaker)
        breaker.listeners.append(self.tell_of_opening)
        self.obey(breaker)

    def tell_of_opening(self, change: Change) -> None:
        """A listener of each. Nobody waits until the others know."""
        if change.after is CircuitState.OPEN and change.cause in FOUND_OUT:
            payload = orjson.dumps({"circuit": change.name, "seconds": change.open_seconds})
            task = asyncio.create_task(self.broadcast.publish(OPENED, payload), context=Context())
            self.telling.add(task)
            task.add_done_callback(self.telling.discard)

    def hear_of_opening(self, payload: bytes) -> None:
        told = orjson.loads(payload)
        if breaker := self.breakers.get(told["circuit"]):
            breaker.open_elsewhere(float(told["seconds"]))

    def obey(self, breaker: CircuitBreaker) -> None:
        breaker.force(WISHED_STATES.get(self.wanted.get(breaker.name, Wish.AUTOMATIC)))

    async def follow(self, wishes: CircuitWishes) -> Never:
        """Do what operators want, until cancelled."""
        failures = 0
        while True:
            await self.is_out_of_date.wait()
            self.is_out_of_date.clear()
            try:
                await self.catch_up(wishes)
                failures = 0
            except Exception as error:  # noqa: BLE001 - a process that gave up would hear of no operator any more
                failures += 1
                self.note_failure(error, failures)
                await asyncio.sleep(READ_AGAIN.wait(failures))
                self.is_out_of_date.set()

    async def catch_up(self, wishes: CircuitWishes) -> None:
        """If they cannot be read, what was wanted last is still the best guess. Raises `WishesUnavailable`."""
        await wishes.introduce(self.names)
        if forgotten := await wishes.remind(self.wanted):
            log.warning("circuit_wishes_restored", circuits=sorted(forgotten))
            await self.broadcast.publish(WISHES_CHANGED, b"")  # to those that started meanwhile and know nothing
        self.wanted = await wishes.read()
        for breaker in self.breakers.values():
            self.obey(breaker)

    def note_failure(self, error: Exception, failures: int) -> None:
        """Of failures in a row the first. That Redis is gone others tell."""
        if failures == 1 and not isinstance(error, Unavailable):
            log.error("circuit_wishes_unreadable", cause=f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """What is being told need not be heard any more."""
        for task in self.telling:
            task.cancel()
        await asyncio.gather(*self.telling, return_exceptions=True)


@asynccontextmanager
async def open_shared_breakers(
    *, events: CircuitEvents, broadcast: Broadcast, wishes: CircuitWishes | None, names: Iterable[str]
) -> AsyncIterator[SharedBreakers]:
    """For as long as the block runs."""
    breakers = SharedBreakers(events=events, broadcast=broadcast, names=names)
    following = asyncio.create_task(breakers.follow(wishes), context=Context()) if wishes else None
    try:
        yield breakers
    finally:
        await end(following)
        await breakers.close()


async def change_wish(wishes: CircuitWishes, broadcast: Broadcast, name: str, wish: Wish) -> None:
    """For operators: all processes, and those that start later.

    Raises `CircuitUnknown`, `WishesUnavailable`, and `WishNotTold` if only those that start later will know it.
    """
    await wishes.change(name, wish)
    if not await broadcast.publish(WISHES_CHANGED, b""):
        raise WishNotTold
