"""Runs a job once: its context bound, its fields read, its time limited."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic

from procrastinate import JobContext
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason
from pydantic import ValidationError

from app.jobs.envelope import Envelope, carried_by
from app.jobs.errors import CancelledItself, TimeLimitExceeded, UnreadableJob
from app.jobs.handler import Handler, R
from app.jobs.job import Job
from app.jobs.recording import Recorder
from app.observability.context import begin_job


class Attempts(Generic[R]):
    """Every attempt of this worker's, and those that are running now."""

    def __init__(self, resources: R, *, recorder: Recorder) -> None:
        self.resources = resources
        self.recorder = recorder
        self.running: set[asyncio.Task[Any]] = set()
        self.is_cut_short = False

    def of(self, handler: Handler[Any, R]) -> Callable[..., Awaitable[None]]:
        """What the library calls for this kind of job. It has a task of its own, so what is bound ends with it."""

        async def attempt(context: JobContext, /, **payload: Any) -> None:
            begin_job(
                job_id=context.job.id or 0,
                job=context.job.task_name,
                attempt=context.job.attempts + 1,
                carried=carried_by(payload),
            )
            with self.recorder.attempt(handler.job.name):
                await self.run(handler, context, payload)
            self.recorder.succeeded(handler.job.name)

        return attempt

    async def run(self, handler: Handler[Any, R], context: JobContext, payload: dict[str, Any]) -> None:
        """Raises whatever the handler raises, `JobError`, and what the library takes for an interruption."""
        job = read(handler.job, payload)
        task = asyncio.current_task()
        assert task  # noqa: S101 - the library gives each job one
        self.running.add(task)
        try:
            await self.within_its_time(handler, job)
        except asyncio.CancelledError:
            self.interrupted(handler.job.name, context)
            raise
        finally:
            self.running.discard(task)

    async def within_its_time(self, handler: Handler[Any, R], job: Job) -> None:
        try:
            async with asyncio.timeout(job.time_limit_seconds) as limit:
                await handler.run(job, self.resources)
        except TimeoutError as error:
            if limit.expired():
                raise TimeLimitExceeded(job.time_limit_seconds) from error
            raise

    def interrupted(self, name: str, context: JobContext) -> None:
        """Returns if the worker stops, so that the job is given back; otherwise raises what it was."""
        reason = context.abort_reason()
        if reason is AbortReason.USER_REQUEST:
            self.recorder.aborted(name)
            raise JobAborted from None
        if reason is None and not self.is_cut_short:
            raise CancelledItself from None

    async def finish(self) -> None:
        """Return when none is running."""
        while self.running:
            await asyncio.wait(self.running)

    def cut_short(self) -> None:
        """Interrupt what runs now, to be given back."""
        self.is_cut_short = True
        for task in self.running:
            task.cancel()


def read(kind: type[Job], payload: dict[str, Any]) -> Job:
    """The job as its handler knows it. Raises `UnreadableJob`."""
    try:
        return kind.model_validate(Envelope.model_validate(payload).job)
    except ValidationError as error:
        # Not pydantic's own text: it quotes the values.
        found = [f"{'.'.join(map(str, detail['loc']))}: {detail['type']}" for detail in error.errors()]
        raise UnreadableJob(f"Its payload does not fit its fields ({', '.join(found)}).") from None
