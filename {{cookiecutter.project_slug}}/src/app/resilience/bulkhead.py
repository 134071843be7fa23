"""Keeps one slow partner from taking everything that the process has: connections, memory, patience.

Nygard's bulkheads (Release It!, 2nd edition, chapter 5): so many calls at once, and a short line.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.core.errors import Unavailable
from app.resilience.concurrency_limit import ConcurrencyLimit, Overloaded, Priority


class BulkheadFull(Unavailable):
    """So many calls to this partner are under way that another would have to wait for too long."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is asked for more than it answers. Try again shortly.")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkheadOptions:
    """At most `calls` at once, `places` in line, each for little more than `wait_seconds`."""

    calls: int = 20
    places: int = 20
    wait_seconds: float = 0.25


class Bulkhead:
    """Callers are let in in the order of their arrival."""

    def __init__(self, name: str, options: BulkheadOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.limit = ConcurrencyLimit(
            limit=options.calls, places=options.places, wait_seconds=options.wait_seconds, clock=clock
        )
        self.try_enter = self.limit.try_enter
        self.leave = self.limit.leave

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self.limit.in_flight

    async def wait(self) -> None:
        """Wait in line until let in. Raises `BulkheadFull`."""
        try:
            await self.limit.wait(Priority.ANONYMOUS)
        except Overloaded:
            raise BulkheadFull(self.name) from None
