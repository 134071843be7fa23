"""The one door to what is remembered: in this process first, in Redis second; what is in neither is loaded.

    get ─▶ memory ──── fresh ──────────────────────────────────▶ the value
             │    └─── stale, and may be served while it is ───▶ the old value, and a new one in the background:
             │         loaded anew                               `refresh`, which begins at "one flight"
             ▼ neither
           one flight for each key: of all callers in this process one goes on, the others wait for what it finds
             ▼
           Redis ───── has it ─────────────────────────────────▶ the value, now in memory too
             ▼ has not: one process takes the lock, the others wait for what it writes (`finding.py`)
           load ────── works ──────────────────────────────────▶ the new value, now in memory and Redis too
             ▼ fails, or takes longer than the caller may wait
           memory ──── has an old one that may stand in ───────▶ that, marked as stale; after a failure nobody tries
             ▼                                                   again for a second
           the error

How old is too old for which of these a kind's `Lifetime` says (`kinds.py`). What has changed is taken back by its tags:
here at once, in other processes by a message (`invalidation.py`).

A *gap* is a time in which such messages may have been missed: there is one whenever this process begins to listen, or
does so again (`broadcast.py`). After it everything in memory is in *doubt*: nobody knows whether it was taken back, so
Redis is asked, which knows, and until then the value in memory is only better than an error.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog

from app.cache.broadcast import Broadcast
from app.cache.finding import Finding
from app.cache.found import Found, Load, Wanted
from app.cache.invalidation import EVERYTHING, Invalidation
from app.cache.kinds import Kind, bounded
from app.cache.memory import Memory
from app.cache.shared import SharedEntries
from app.core.errors import DeadlineExceeded, Unavailable
from app.observability.metrics import Metrics
from app.resilience.deadline import SECONDS_TO_GO_ON, Deadline, remaining
from app.resilience.single_flight import SingleFlight

V = TypeVar("V")

log = structlog.get_logger()

# After a failure nobody tries for so long to load what there is an old value of.
REFRESH_AGAIN_SECONDS = 1.0

# A load in the background has no caller whose deadline would end it.
REFRESH_SECONDS = 30.0

# Of each kind, in the background, at once: twice the connections that DATABASE_POOL_SIZE gives a process by default. It
# does not follow that setting, so look at it when you change the other. What is left over the next caller begins.
MOST_REFRESHES = 20

# Why a value cannot be loaded, if that is no mistake of ours.
FAILURES = (Unavailable, DeadlineExceeded)


class Cache:
    """Remembers values of declared kinds.

    Of callers that want the same at the same time one loads it, in all processes together; a process that dies over
    it delays the others by `finding.LOCK_SECONDS` at most. Without Redis each process remembers by itself.

    `load` works for everybody who waits, perhaps in the background when the request that began it has ended: it opens
    what it needs itself, such as a session, and takes nothing from a request but plain values.
    """

    def __init__(
        self,
        shared: SharedEntries | None,
        broadcast: Broadcast,
        *,
        memory_bytes: int,
        value_bytes: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.memory = Memory(most_bytes=memory_bytes, clock=clock)
        self.invalidation = Invalidation(shared, broadcast, forget=self.forget)
        self.finding = Finding(
            self.memory, shared, self.invalidation, value_bytes=value_bytes, clock=clock, metrics=metrics
        )
        self.flight = SingleFlight[str, Found[Any]]()
        self.refreshing: dict[str, asyncio.Task[None]] = {}
        self.calls = metrics.cache.calls
        metrics.cache.bytes.set_function(lambda: self.memory.bytes)
        broadcast.on_gap(self.doubt)

    async def get(
        self, kind: Kind[V], key: str, load: Load[V], *, tenant: UUID | None, tags: Collection[str] = ()
    ) -> Found[V]:
        """The tenant's value, or everybody's for `tenant=None`; a new one if there is none that is good enough.

        `tags` are names under which it can be invalidated, such as `room:17`; all who ask for a key give the same.
        Raises what `load` raises, unless that is `Unavailable` or `DeadlineExceeded` and an old value will do. A caller
        with a deadline is told `SECONDS_TO_GO_ON` before it.
        """
        wanted = Wanted(kind, kind.key(key, tenant), (EVERYTHING, *sorted(map(bounded, tags))), load)
        found = self.served(kind, wanted.key) or await self.find(wanted)
        if found.is_stale:
            self.refresh(wanted)
        return found

    def recall(self, kind: Kind[V], key: str, *, tenant: UUID | None) -> Found[V] | None:
        """What this process remembers, if it may be served. Nothing is waited for, and nothing loaded anew."""
        return self.served(kind, kind.key(key, tenant))

    async def invalidate(self, *tags: str) -> None:
        """What carries one of these tags is not used again: not here from now on, elsewhere after some milliseconds.

        Say so when the change is committed (`persistence/after_commit.py`): before that, somebody could load the old
        value once more. Never fails.
        """
        await self.invalidation.invalidate([bounded(tag) for tag in tags])

    def served(self, kind: Kind[V], key: str) -> Found[V] | None:
        entry, now = self.memory.get(key), self.clock()
        if entry is None or not entry.is_servable(now):
            return None
        is_stale = now >= entry.fresh_until
        self.count(kind, "stale" if is_stale else "hit")
        return Found(entry.value, is_stale)

    async def find(self, wanted: Wanted[V]) -> Found[V]:
        """A value that memory may not serve by itself. An old one if that fails, or has just failed."""
        if self.is_put_off(wanted) and (found := self.old_value(wanted)):
            return found
        try:
            with Deadline(remaining() - SECONDS_TO_GO_ON):
                found = await self.find_together(wanted)
        except FAILURES:
            if found := self.old_value(wanted):
                return found
            self.count(wanted.kind, "failed")
            raise
        self.count(wanted.kind, "miss")
        return found

    async def find_together(self, wanted: Wanted[V]) -> Found[V]:
        """One search for all who want it now. If it fails it is put off.

        A caller whose time is up leaves in the middle, which is no failure: others may have the time, and go on.
        """
        try:
            return await self.flight.run(wanted.key, partial(self.finding.find, wanted, is_stale_enough=True))
        except FAILURES:
            self.put_off(wanted)
            raise

    def old_value(self, wanted: Wanted[V]) -> Found[V] | None:
        """What memory has, if it is not too old to stand in for a value that cannot be had."""
        entry = self.memory.get(wanted.key)
        if entry is None or not entry.is_fallback(self.clock()):
            return None
        self.count(wanted.kind, "stale")
        return Found(entry.value, is_stale=True)

    def put_off(self, wanted: Wanted[V]) -> None:
        """It has failed: do not try again with each call while there is an old value."""
        if entry := self.memory.get(wanted.key):
            entry.try_at = self.clock() + REFRESH_AGAIN_SECONDS

    def is_put_off(self, wanted: Wanted[V]) -> bool:
        """Whether it has failed so lately that it would fail again."""
        entry = self.memory.get(wanted.key)
        return entry is not None and self.clock() < entry.try_at

    def refresh(self, wanted: Wanted[V]) -> None:
        """Load it anew in the background, unless somebody does, it has just failed, or many of its kind are loaded."""
        if wanted.key in self.refreshing or self.is_put_off(wanted):
            return
        if sum(key.startswith(wanted.kind.prefix) for key in self.refreshing) >= MOST_REFRESHES:
            return
        task = self.refreshing[wanted.key] = asyncio.create_task(self.load_anew(wanted))
        task.add_done_callback(lambda _: self.refreshing.pop(wanted.key, None))

    async def load_anew(self, wanted: Wanted[V]) -> None:
        """Never fails: nobody waits for it, and the old value is still there."""
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                await self.flight.run(wanted.key, partial(self.finding.find, wanted, is_stale_enough=False))
        except (*FAILURES, TimeoutError):
            self.put_off(wanted)
            self.count(wanted.kind, "failed")
        except Exception:
            self.put_off(wanted)
            log.exception("cache_refresh_failed", kind=wanted.kind.name)

    def forget(self, tags: Collection[str]) -> None:
        """What carries one of these tags, in this process: it is dropped, and what is on its way is not kept."""
        self.memory.drop_tagged(tags)
        for key in self.finding.outdate(tags):
            self.flight.forget(key)

    def doubt(self) -> None:
        """There was a gap: everything here may be out of date, and what is on its way as well."""
        self.memory.doubt_all()
        for key in self.finding.outdate(None):
            self.flight.forget(key)

    def count(self, kind: Kind[V], outcome: str) -> None:
        self.calls.labels(kind.name, outcome).inc()

    async def close(self) -> None:
        """Nobody waits for a new value any more."""
        tasks = list(self.refreshing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.invalidation.close()
