"""Does the jobs, until it is told to stop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic

import psycopg
import structlog
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker as LibraryWorker

from app.core.checks import Check, CheckFailed
from app.jobs.attempt import Attempts
from app.jobs.handler import Handler, R, Schedule
from app.jobs.library import queue_app
from app.jobs.recording import Recorder
from app.jobs.repeating import repeat, until_done
from app.jobs.rescue import Rescue
from app.jobs.sampling import sample
from app.observability.metrics import JobMetrics
from app.persistence.database import Database
from app.persistence.engine import ConnectionOptions

log = structlog.get_logger()

# For jobs that become due later, and for those that no notification told of.
POLL_SECONDS = 1.0

BEATS_PER_STALL = 3
MEASURE_SECONDS = 5.0
RECONNECT_SECONDS = 0.5

# For handlers that were interrupted, and for the database to take back what they did not finish.
LEAVE_SECONDS = 3.0


class Worker(Generic[R]):
    """Procrastinate's worker, at most `concurrency` jobs at a time, begun anew whenever it loses its database.

    A handler that blocks the event loop for `stalled_seconds` looks dead to other workers: its job then runs twice.
    """

    def __init__(
        self,
        *,
        database: Database,
        options: ConnectionOptions,
        handlers: Sequence[Handler[Any, R]],
        schedules: Sequence[Schedule],
        resources: R,
        concurrency: int,
        stalled_seconds: float,
        metrics: JobMetrics,
        report: Callable[[BaseException], None],
    ) -> None:
        self.database = database
        self.concurrency = concurrency
        self.stalled_seconds = stalled_seconds
        self.metrics = metrics
        recorder = Recorder(metrics, report=report)
        self.attempts = Attempts(resources, recorder=recorder)
        self.app = queue_app(options, handlers=handlers, schedules=schedules, attempts=self.attempts, recorder=recorder)
        allowed = {handler.job.name: handler.job.max_attempts for handler in handlers}
        self.rescue = Rescue(self.app, recorder=recorder, attempts_allowed=allowed, stalled_seconds=stalled_seconds)
        self.stopping = asyncio.Event()
        self.library: LibraryWorker | None = None

    @property
    def check(self) -> Check:
        """Passes while jobs are fetched, and while the worker stops on purpose."""
        return Check("worker", self.probe, is_critical=True)

    async def probe(self) -> None:
        is_fetching = self.library is not None and self.library.worker_id is not None
        if not (is_fetching or self.stopping.is_set()):
            raise CheckFailed("The worker is not fetching jobs.")

    def stop(self) -> None:
        """Fetch nothing more and finish what runs. Called again: finish nothing, but give it back."""
        if self.stopping.is_set():
            self.attempts.cut_short()
        self.stopping.set()

    async def run(self, *, grace_seconds: float) -> None:
        """Until `stop`, and then for `grace_seconds` at most. What still runs then is given back."""
        stopping = asyncio.create_task(self.stopping.wait())
        working = asyncio.create_task(self.keep_working(grace_seconds))
        measuring = asyncio.create_task(repeat("measurements", self.measure))
        await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
        await self.finish(working, within_seconds=grace_seconds)
        await end(stopping, working, measuring)
        if working.done() and not working.cancelled():
            working.result()  # raises what we did not expect

    async def finish(self, working: asyncio.Task[None], *, within_seconds: float) -> None:
        """Wait for what runs, and then a little for the library, which may be stuck in a database that hangs."""
        if self.library is None:
            return
        self.library.stop()  # type: ignore[no-untyped-call] # the library's own
        idle = asyncio.create_task(self.attempts.finish())
        await asyncio.wait({working, idle}, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({working}, timeout=LEAVE_SECONDS)
        await end(idle)

    async def keep_working(self, grace_seconds: float) -> None:
        while not self.stopping.is_set():
            await until_done("connecting", self.database.ping)
            try:
                await self.work(grace_seconds)
            except (ConnectorException, psycopg.Error) as error:
                log.warning("worker_lost_database", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(RECONNECT_SECONDS)

    async def work(self, grace_seconds: float) -> None:
        """Return when the worker was stopped; raise when it lost its database."""
        async with self.app.open_async():
            looking = asyncio.create_task(repeat("rescue", self.look_after_others))
            try:
                await self.work_while_connected(grace_seconds)
            finally:
                await end(looking)

    async def work_while_connected(self, grace_seconds: float) -> None:
        self.library = LibraryWorker(
            self.app,
            concurrency=self.concurrency,
            fetch_job_polling_interval=POLL_SECONDS,
            abort_job_polling_interval=POLL_SECONDS,
            shutdown_graceful_timeout=grace_seconds,
            install_signal_handlers=False,
            update_heartbeat_interval=self.stalled_seconds / BEATS_PER_STALL,
            stalled_worker_timeout=self.stalled_seconds,
        )
        try:
            await self.library.run()  # type: ignore[no-untyped-call] # the library's own
        finally:
            self.library = None
        if not self.stopping.is_set():
            raise ConnectorException("The worker stopped by itself; the library's log says why.")

    async def look_after_others(self) -> None:
        await self.rescue.look()
        await asyncio.sleep(self.stalled_seconds / BEATS_PER_STALL)

    async def measure(self) -> None:
        """Look at the queue now and then, so that a scrape costs nothing."""
        found = await sample(self.database)
        self.metrics.waiting.set(found.waiting)
        self.metrics.oldest.set(found.oldest_seconds)
        self.metrics.failed.set(found.failed)
        await asyncio.sleep(MEASURE_SECONDS)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them. One that is stuck in a server that hangs is not waited for."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=LEAVE_SECONDS)
