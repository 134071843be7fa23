"""The jobs that a worker runs now."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic

import structlog

from app.jobs.attempt import Attempt, Ending, Outcome
from app.jobs.envelope import carried_by
from app.jobs.handler import Handler, R
from app.jobs.recording import Recorder
from app.jobs.repeating import until_done
from app.jobs.store import Fetched, Store
from app.observability.context import begin_job, forget_context

log = structlog.get_logger()

# The status in the queue for each way to end; what is given back keeps its own until the worker leaves.
STATUSES = {Ending.SUCCEEDED: "succeeded", Ending.RETRIED: "todo", Ending.FAILED: "failed", Ending.ABORTED: "aborted"}


class RunningJobs(Generic[R]):
    """Runs each in a task of its own, writes down how it ended, and calls `on_end` when a place is free."""

    def __init__(
        self,
        *,
        store: Store,
        handlers: Sequence[Handler[Any, R]],
        resources: R,
        recorder: Recorder,
        on_end: Callable[[], None],
    ) -> None:
        self.store = store
        self.handlers = {handler.job.name: handler for handler in handlers}
        self.resources = resources
        self.recorder = recorder
        self.on_end = on_end
        self.attempts: dict[int, Attempt[R]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def ids(self) -> Collection[int]:
        return self.attempts.keys()

    def start(self, job: Fetched, *, worker: int) -> None:
        """From now on it is one of the running ones."""
        attempt = Attempt(self.handlers, self.resources, name=job.name, payload=job.payload)
        self.attempts[job.id] = attempt
        task = asyncio.create_task(self.perform(job, attempt, worker=worker))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def perform(self, job: Fetched, attempt: Attempt[R], *, worker: int) -> None:
        """Run it, settle it, tell it; every line of the log names the job and the request that asked for it."""
        begin_job(job_id=job.id, job=job.name, attempt=job.attempts + 1, carried=carried_by(job.payload))
        self.recorder.is_running(len(self.attempts))
        began = time.perf_counter()
        try:
            outcome = await attempt.run(attempts_before=job.attempts)
            seconds = time.perf_counter() - began
            if outcome.ending in STATUSES:
                await until_done("settle", lambda: self.settle(job, outcome, worker=worker))
            self.recorder.ended(job.name, outcome, seconds=seconds)
        finally:
            del self.attempts[job.id]
            self.recorder.is_running(len(self.attempts))
            forget_context()
            self.on_end()

    async def settle(self, job: Fetched, outcome: Outcome, *, worker: int) -> None:
        status = STATUSES[outcome.ending]
        if not await self.store.settle(job.id, worker=worker, status=status, wait_seconds=outcome.wait_seconds):
            log.warning("job_was_taken_over")  # we were silent for too long; it runs again elsewhere

    def abort(self, job_id: int) -> None:
        """Somebody wants it to end. One that is not running here is left alone."""
        if job_id in self.attempts:
            self.attempts[job_id].interrupt(Ending.ABORTED)

    async def finish(self) -> None:
        """Return when none is left."""
        while self.tasks:
            await asyncio.wait(self.tasks)

    async def give_back(self, *, within_seconds: float) -> None:
        """Cut off what is left; none of it counts as an attempt."""
        for attempt in self.attempts.values():
            attempt.interrupt(Ending.GIVEN_BACK)
        if self.tasks:
            _, pending = await asyncio.wait(self.tasks, timeout=within_seconds)
            for task in pending:
                task.cancel()
