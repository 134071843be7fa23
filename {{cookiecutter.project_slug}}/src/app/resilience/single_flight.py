"""Identical calls that come at the same time share one run.

The name and the idea are those of Go's `golang.org/x/sync/singleflight`, with the difference that nobody is tied to
the one who came first: everybody may leave, and the run ends when nobody is left.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.core.errors import Unavailable
from app.resilience.deadline import context_without_deadline

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Operation = Callable[[], Coroutine[Any, Any, V]]  # Any: what a coroutine yields to its loop


class RunCancelled(Unavailable):
    """The shared run was cancelled by somebody else than those who wait for it."""

    def __init__(self) -> None:
        super().__init__("What this request shares with others was interrupted. Try again.")


@dataclass(slots=True, eq=False)
class Flight(Generic[V]):
    """One run, and how many wait for it."""

    task: asyncio.Task[V]
    waiting: int = 0


class SingleFlight(Generic[K, V]):
    """`await flight.run(key, operation)`: while a run for this key is under way, its outcome is everybody's.

    Whoever is cancelled, or has a deadline that passes, leaves alone; the last one who leaves cancels the run, and
    waits until it has cleaned up. So there are never more runs than callers.

    The run keeps the context of the caller who began it (request id, trace), but not its deadline: others may have
    more time. The operation brings the limits of what it does itself.

    All get the same object, or the same error. Nobody may change it.
    """

    def __init__(self) -> None:
        self.flights: dict[K, Flight[V]] = {}

    async def run(self, key: K, operation: Operation[V]) -> V:
        """Its outcome, of a run that somebody has begun already or of a new one. Raises what the operation raises."""
        flight = self.flights.get(key) or self.begin(key, operation)
        flight.waiting += 1
        try:
            await asyncio.wait([flight.task])
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                await self.cancel(key, flight)
        if flight.task.cancelled():
            raise RunCancelled
        return flight.task.result()

    def forget(self, key: K) -> None:
        """Whoever comes from now on gets a run of its own: something has changed since the present one began."""
        self.flights.pop(key, None)

    def begin(self, key: K, operation: Operation[V]) -> Flight[V]:
        task = asyncio.create_task(operation(), context=context_without_deadline())
        flight = self.flights[key] = Flight(task)
        task.add_done_callback(lambda done: self.end(key, flight, done))
        return flight

    async def cancel(self, key: K, flight: Flight[V]) -> None:
        self.take_away(key, flight)
        flight.task.cancel()
        await asyncio.wait([flight.task])

    def end(self, key: K, flight: Flight[V], task: asyncio.Task[V]) -> None:
        self.take_away(key, flight)
        if not task.cancelled():
            task.exception()  # nobody may be left who asks for it

    def take_away(self, key: K, flight: Flight[V]) -> None:
        if self.flights.get(key) is flight:
            del self.flights[key]
