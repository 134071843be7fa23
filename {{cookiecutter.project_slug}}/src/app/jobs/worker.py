"""Does the jobs, until it is told to stop.

The loops are our own, on procrastinate's schema and SQL functions. The library's worker ends when it loses its
database, counts what it gives back at a stop as a failed attempt, and writes jobs' arguments into the log.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic

import structlog

from app.core.checks import Check, CheckFailed
from app.jobs.handler import Handler, R, Schedule
from app.jobs.listening import listen
from app.jobs.presence import Presence
from app.jobs.recording import Recorder
from app.jobs.repeating import repeat, until_done
from app.jobs.running import RunningJobs
from app.jobs.schedules import Clock
from app.jobs.store import Store
from app.observability.metrics import JobMetrics
from app.persistence.database import Database
from app.persistence.engine import ConnectionOptions

log = structlog.get_logger()

# For jobs that become due later, and for those that no notification told of.
POLL_SECONDS = 1.0

MEASURE_SECONDS = 5.0

# For a job that is just being fetched to arrive. A database that hangs sends none.
LAST_FETCH_SECONDS = 1.0

# For handlers that were told to stop, and again for the database to take back what they did not finish.
LEAVE_SECONDS = 3.0


class Worker(Generic[R]):
    """Runs at most `concurrency` jobs at a time, all in this process' event loop.

    A handler that blocks the loop for `stalled_seconds` looks dead to other workers: its job then runs twice.
    """

    def __init__(
        self,
        *,
        database: Database,
        listening: ConnectionOptions,
        handlers: Sequence[Handler[Any, R]],
        schedules: Sequence[Schedule],
        resources: R,
        concurrency: int,
        stalled_seconds: float,
        metrics: JobMetrics,
        report: Callable[[BaseException], None],
    ) -> None:
        self.store = Store(database)
        self.listening = listening
        self.schedules = schedules
        self.concurrency = concurrency
        self.metrics = metrics
        self.awake = asyncio.Event()
        self.stopping = asyncio.Event()
        self.hurrying = asyncio.Event()
        self.is_fetching = False
        recorder = Recorder(metrics, report=report, known=[handler.job.name for handler in handlers])
        self.running = RunningJobs(
            store=self.store, handlers=handlers, resources=resources, recorder=recorder, on_end=self.awake.set
        )
        self.presence = Presence(self.store, self.running, recorder, stalled_seconds=stalled_seconds)

    @property
    def check(self) -> Check:
        """Passes while jobs are fetched, and while the worker stops on purpose."""
        return Check("worker", self.probe, is_critical=True)

    async def probe(self) -> None:
        if not (self.is_fetching or self.stopping.is_set()):
            raise CheckFailed("The worker is not fetching jobs.")

    def stop(self) -> None:
        """Fetch nothing more and finish what runs. Called again: finish nothing, but give it back."""
        if self.stopping.is_set():
            self.hurrying.set()
        self.stopping.set()
        self.awake.set()

    async def run(self, *, grace_seconds: float) -> None:
        """Until `stop`, and then for `grace_seconds` at most. What still runs then is given back, and not counted."""
        fetching = asyncio.create_task(self.fetch())
        loops = [asyncio.create_task(loop) for loop in self.loops()]
        try:
            await self.stopping.wait()
            await asyncio.wait({fetching}, timeout=LAST_FETCH_SECONDS)
            await self.finish(within_seconds=grace_seconds)
        finally:
            await self.running.give_back(within_seconds=LEAVE_SECONDS)
            await end([fetching, *loops])
            await self.leave()

    def loops(self) -> list[Any]:  # Any: coroutines that never return
        """What goes on beside fetching, until the very end."""
        clock = [repeat("schedules", Clock(self.schedules, self.store).run)] if self.schedules else []
        hear = partial(listen, self.listening, on_job=self.awake.set, on_abort=self.running.abort)
        return [
            repeat("heartbeat", self.presence.beat),
            repeat("notifications", hear),
            repeat("measurements", self.measure),
            *clock,
        ]

    async def fetch(self) -> None:
        """One job after the other, while there is room and until it is time to stop."""
        while not self.stopping.is_set():
            await until_done("fetching", self.fetch_or_wait)

    async def fetch_or_wait(self) -> None:
        if self.stopping.is_set():  # while it failed again and again
            return
        self.awake.clear()  # before looking: what comes meanwhile must not be missed
        if len(self.running.ids) < self.concurrency and await self.fetch_one():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self.awake.wait()

    async def fetch_one(self) -> bool:
        """Whether there was one. Raises what the database does to us; then this worker is not ready."""
        try:
            found = await self.presence.fetch()
        except Exception:
            self.is_fetching = False
            raise
        self.is_fetching = True
        return found

    async def measure(self) -> None:
        """Look at the queue now and then, so that a scrape costs nothing."""
        sample = await self.store.sample()
        self.metrics.waiting.set(sample.waiting)
        self.metrics.oldest.set(sample.oldest_seconds)
        self.metrics.retrying.set(sample.retrying)
        self.metrics.failed.set(sample.failed)
        await asyncio.sleep(MEASURE_SECONDS)

    async def finish(self, *, within_seconds: float) -> None:
        """Wait for what runs, but not longer than that, and not when it hurries."""
        waiting: list[asyncio.Task[Any]] = [
            asyncio.create_task(self.running.finish()),
            asyncio.create_task(self.hurrying.wait()),
        ]
        await asyncio.wait(waiting, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        await end(waiting)

    async def leave(self) -> None:
        """Sign off. Without the database that is not possible; then the others notice by themselves."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.presence.leave()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process ends now
            log.warning("worker_left_silently", error=f"{type(error).__name__}: {error}")


async def end(tasks: "Sequence[asyncio.Task[Any]]") -> None:
    """Cancel them. One that is stuck in a server that hangs is not waited for."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=LEAVE_SECONDS)
