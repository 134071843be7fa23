"""Runs a job once, and says how it ended."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic

from pydantic import ValidationError

from app.jobs.envelope import unpack
from app.jobs.errors import CancelledItself, TimeLimitExceeded, TriedToExit, UnknownJob, UnreadableJob
from app.jobs.handler import Handler, R
from app.jobs.job import Job
from app.resilience.backoff import Backoff

# Ten attempts spread over 23 minutes on average and 47 at most: enough for a partner's outage or a bad deploy to pass.
RETRY = Backoff(first_seconds=8, longest_seconds=900)


class Ending(StrEnum):
    """How one attempt ended; each is a value of the metrics' label `outcome`."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"
    ABORTED = "aborted"
    GIVEN_BACK = "given_back"


@dataclass(frozen=True)
class Outcome:
    """How it ended, why, and in how many seconds it is tried again."""

    ending: Ending
    error: Exception | None = None
    wait_seconds: float = 0.0


class Attempt(Generic[R]):
    """One run of one job, in a task of its own so that nothing that it binds or cancels gets out."""

    def __init__(self, handlers: Mapping[str, Handler[Any, R]], resources: R, *, name: str, payload: str) -> None:
        self.handlers = handlers
        self.resources = resources
        self.name = name
        self.payload = payload
        self.interrupted: Ending | None = None
        self.work: asyncio.Task[None] | None = None

    async def run(self, *, attempts_before: int) -> Outcome:
        """Never raises for what the job does."""
        attempt = attempts_before + 1
        try:
            handler = self.handler()
            job = self.read(handler)
        except UnknownJob as error:
            # While a release is rolled out, the workers of the one before meet jobs that they do not know yet.
            return failed(error, attempt=attempt, of=Job.max_attempts)
        except UnreadableJob as error:
            return Outcome(Ending.FAILED, error)  # no repetition would mend it
        self.work = asyncio.create_task(self.within_its_time(handler, job))
        if self.interrupted:
            self.work.cancel()
        try:
            await asyncio.wait({self.work})
        finally:
            self.work.cancel()
        return self.outcome(job, self.work, attempt=attempt)

    def interrupt(self, ending: Ending) -> None:
        """Cancel the handler; the attempt ends as `ABORTED` or `GIVEN_BACK`, unless it is just done."""
        self.interrupted = ending
        if self.work:
            self.work.cancel()

    def handler(self) -> Handler[Any, R]:
        if self.name not in self.handlers:
            raise UnknownJob
        return self.handlers[self.name]

    def read(self, handler: Handler[Any, R]) -> Job:
        """The job as its handler knows it. Raises `UnreadableJob`."""
        try:
            job: Job = handler.job.model_validate(unpack(self.payload).job)
        except ValidationError as error:
            # Not pydantic's own text: it quotes the values.
            found = [f"{'.'.join(map(str, detail['loc']))}: {detail['type']}" for detail in error.errors()]
            raise UnreadableJob(f"Its payload does not fit its fields ({', '.join(found)}).") from None
        return job

    async def within_its_time(self, handler: Handler[Any, R], job: Job) -> None:
        """Raises `TimeLimitExceeded`, `TriedToExit` and whatever else the handler raises."""
        try:
            async with asyncio.timeout(job.time_limit_seconds) as limit:
                await handler.run(job, self.resources)
        except TimeoutError as error:
            if limit.expired():
                raise TimeLimitExceeded(job.time_limit_seconds) from error
            raise
        except (SystemExit, KeyboardInterrupt) as error:
            raise TriedToExit from error

    def outcome(self, job: Job, work: "asyncio.Task[None]", *, attempt: int) -> Outcome:
        """What to make of a handler that has ended."""
        error = CancelledItself() if work.cancelled() else work.exception()
        if error is None:
            return Outcome(Ending.SUCCEEDED)
        if self.interrupted:
            return Outcome(self.interrupted)
        if not isinstance(error, Exception):
            raise error
        return failed(error, attempt=attempt, of=job.max_attempts)


def failed(error: Exception, *, attempt: int, of: int) -> Outcome:
    """Another try later, or none."""
    if attempt >= of:
        return Outcome(Ending.FAILED, error)
    return Outcome(Ending.RETRIED, error, RETRY.wait(attempt))
