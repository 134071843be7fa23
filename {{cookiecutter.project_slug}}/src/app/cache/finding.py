"""Finds a value that this process does not remember: in Redis, or where it comes from.

    find ─▶ `seek`: read Redis ── good enough ─────────────────▶ `accept`: the value
              ▲  │ not there, or too old
              │  ▼
              │ take its lock in Redis ── taken, or waited for LOCK_SECONDS ──▶ a `Permit`: `load`, then `keep`
              │  │ another process has it
              └──┘ POLL_SECONDS later

Without Redis, and with one that fails, the permit is given at once.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, TypeVar

from app.cache.found import Found, Wanted
from app.cache.invalidation import Invalidation
from app.cache.memory import Entry, Memory
from app.cache.shared import NothingShared, Reading, SharedEntries
from app.observability.metrics import Metrics

V = TypeVar("V")

# While one process loads a value the others wait for it. If it dies they wait for this time, and not for longer.
LOCK_SECONDS = 5.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Permit:
    """To load a value. `marks` are those that its tags had in Redis before; without them it is not written there.

    `holder` is the name in which the lock is held, if it is.
    """

    marks: Mapping[str, bytes] | None = None
    holder: str | None = None


class Finding:
    """Run by one caller at a time for each key of this process; the lock in Redis keeps the other processes waiting."""

    def __init__(
        self,
        memory: Memory,
        shared: SharedEntries | None,
        invalidation: Invalidation,
        *,
        value_bytes: int,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.memory = memory
        self.shared = shared
        self.invalidation = invalidation
        self.value_bytes = value_bytes
        self.clock = clock
        self.loads = metrics.cache.loads
        self.redis_failures = metrics.cache.redis_failures
        self.under_way: set[Wanted[Any]] = set()

    async def find(self, wanted: Wanted[V], *, is_stale_enough: bool) -> Found[V]:
        """What Redis has, or a new value. Raises what its `load` raises.

        With `is_stale_enough` also a stale one of Redis, if its kind may be served while it is loaded anew.
        """
        self.under_way.add(wanted)
        try:
            found = await self.seek_shared(wanted, is_stale_enough=is_stale_enough)
            return found if isinstance(found, Found) else await self.load(wanted, found)
        finally:
            self.under_way.discard(wanted)

    def outdate(self, tags: Collection[str] | None) -> list[str]:
        """What is under way with one of these tags will not be remembered. Its keys. `None` stands for all tags."""
        outdated = [wanted for wanted in self.under_way if tags is None or not set(tags).isdisjoint(wanted.tags)]
        for wanted in outdated:
            wanted.is_outdated = True
        return [wanted.key for wanted in outdated]

    async def seek_shared(self, wanted: Wanted[V], *, is_stale_enough: bool) -> Found[V] | Permit:
        """What Redis has, or the right to load it."""
        is_kept = wanted.kind.lifetime.hard > 0
        if self.shared is None or not is_kept or self.invalidation.is_untold(wanted.tags):
            return Permit()
        try:
            return await self.seek(self.shared, wanted, is_stale_enough=is_stale_enough)
        except NothingShared:
            self.redis_failures.inc()
            return Permit()

    async def seek(self, shared: SharedEntries, wanted: Wanted[V], *, is_stale_enough: bool) -> Found[V] | Permit:
        """Until it is there, or the lock is ours, or whoever has the lock takes too long."""
        holder = token_hex(8)
        waits_until = time.monotonic() + LOCK_SECONDS
        while True:
            reading = await shared.read(wanted.key, wanted.tags)
            if found := self.accept(wanted, reading, is_stale_enough=is_stale_enough):
                return found
            if await shared.lock(wanted.key, holder, seconds=LOCK_SECONDS):
                return Permit(reading.marks, holder)
            if time.monotonic() > waits_until:
                return Permit(reading.marks)
            await asyncio.sleep(POLL_SECONDS)

    def accept(self, wanted: Wanted[V], reading: Reading, *, is_stale_enough: bool) -> Found[V] | None:
        """What was read, if it is good enough. It is remembered in any case: an old value may be needed yet."""
        if reading.text is None:
            return None
        try:
            value = wanted.kind.decode(reading.text)
        except Exception:  # noqa: BLE001 - nothing of ours; what a validator may raise nobody knows
            return None
        now = self.clock()
        entry = Entry(
            value, now + reading.fresh - reading.age, wanted.kind.lifetime_of(value), wanted.tags, len(reading.text)
        )
        self.remember(wanted, entry)
        is_stale = now >= entry.fresh_until
        if not entry.is_servable(now) or (is_stale and not is_stale_enough):
            return None
        self.loads.labels(wanted.kind.name, "redis").inc()
        return Found(value, is_stale)

    async def load(self, wanted: Wanted[V], permit: Permit) -> Found[V]:
        """A new value, from where it comes from. Gives the lock back, whatever happens."""
        try:
            value = await wanted.load()
            self.loads.labels(wanted.kind.name, "provider").inc()
            await self.keep(wanted, value, permit)
            return Found(value, is_stale=False)
        finally:
            if permit.holder and self.shared is not None:
                with suppress(NothingShared):
                    await self.shared.unlock(wanted.key, permit.holder)

    async def keep(self, wanted: Wanted[V], value: V, permit: Permit) -> None:
        """In Redis and in memory, unless it is too large, or somebody has changed it meanwhile."""
        lifetime, text = wanted.kind.lifetime_of(value), wanted.kind.encode(value)
        if lifetime.hard <= 0 or len(text) > self.value_bytes:
            return
        fresh = lifetime.jittered()
        entry = Entry(value, self.clock() + fresh, lifetime, wanted.tags, len(text))
        if await self.share(wanted, text, permit, fresh=fresh, hard=lifetime.hard):
            self.remember(wanted, entry)

    async def share(self, wanted: Wanted[V], text: bytes, permit: Permit, *, fresh: float, hard: float) -> bool:
        """Write it to Redis. Whether nobody has changed it meanwhile, as far as Redis knows."""
        if self.shared is None or permit.marks is None:
            return True
        try:
            return await self.shared.write(wanted.key, text, marks=permit.marks, fresh=fresh, hard=hard)
        except NothingShared:
            self.redis_failures.inc()
            return True

    def remember(self, wanted: Wanted[V], entry: Entry) -> None:
        if not wanted.is_outdated:
            self.memory.put(wanted.key, entry)
