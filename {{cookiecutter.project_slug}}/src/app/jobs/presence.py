"""A worker among the others: it signs on, gives signs of life, takes jobs, and takes over from the dead."""

import asyncio
import time
from typing import Generic

import structlog

from app.jobs.envelope import carried_by
from app.jobs.handler import R
from app.jobs.recording import Recorder
from app.jobs.running import RunningJobs
from app.jobs.store import Rescued, Store
from app.observability.context import begin_job, forget_context

log = structlog.get_logger()

BEATS_PER_STALL = 3


class Presence(Generic[R]):
    """`stalled_seconds` is after how long without a sign of life a worker counts as dead."""

    def __init__(self, store: Store, running: RunningJobs[R], recorder: Recorder, *, stalled_seconds: float) -> None:
        self.store = store
        self.running = running
        self.recorder = recorder
        self.stalled_seconds = stalled_seconds
        self.attempts_allowed = {name: handler.job.max_attempts for name, handler in running.handlers.items()}
        self.id: int | None = None
        self.beaten_at: float | None = None
        # A job that is just being fetched is ours in the database and not yet known here: it must not be rescued.
        self.turn = asyncio.Lock()

    async def fetch(self) -> bool:
        """Take a job and start it. False: none is due."""
        async with self.turn:
            worker = await self.signed_on()
            job = await self.store.fetch(worker)
            if job is not None:
                self.running.start(job, worker=worker)
        return job is not None

    async def beat(self) -> None:
        """Give a sign of life, look after the others, and wait until it is time again."""
        async with self.turn:
            worker = await self.signed_on()
            if not await self.store.beat(worker):
                log.warning("worker_was_given_up", worker=worker)
                self.id = None
                worker = await self.signed_on()
            await self.take_over(worker)
            wanted = await self.store.to_abort(worker)
        for job in wanted:
            self.running.abort(job)
        await asyncio.sleep(self.stalled_seconds / BEATS_PER_STALL)

    async def signed_on(self) -> int:
        """The id that the others know this worker by."""
        if self.id is None:
            self.id = await self.store.register()
        return self.id

    async def take_over(self, worker: int) -> None:
        """Rescue the jobs of workers that died.

        One that was out of reach itself judges nobody: after an outage of the database all seem dead.
        """
        before, self.beaten_at = self.beaten_at, time.monotonic()
        if before is not None and self.beaten_at - before > self.stalled_seconds:
            return
        lost = await self.store.rescue(
            worker=worker,
            running=self.running.ids,
            stalled_seconds=self.stalled_seconds,
            attempts_allowed=self.attempts_allowed,
        )
        for job in lost:
            self.tell(job)

    def tell(self, job: Rescued) -> None:
        begin_job(job_id=job.id, job=job.name, attempt=job.attempts, carried=carried_by(job.payload))
        self.recorder.rescued(job)
        forget_context()

    async def leave(self) -> None:
        """Sign off, and give back everything that is still ours."""
        if self.id is not None:
            await self.store.leave(self.id)
