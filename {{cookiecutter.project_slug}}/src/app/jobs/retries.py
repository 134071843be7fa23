"""Whether a job that failed is tried again, and when."""

import asyncio
from datetime import UTC, datetime, timedelta

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job as StoredJob

from app.jobs.backoff import Backoff
from app.jobs.errors import UnreadableJob
from app.jobs.recording import Recorder

# Ten attempts spread over 23 minutes on average and 47 at most: enough for a partner's outage or a bad deploy to pass.
RETRY = Backoff(first_seconds=8, longest_seconds=900)


class Retries(BaseRetryStrategy):
    """Later and later, `max_attempts` times in all; then the job is given up. Tells each decision to the recorder.

    A job that is interrupted because its worker stops is given back at once, even from its last attempt.
    """

    def __init__(self, name: str, *, max_attempts: int, recorder: Recorder) -> None:
        self.name = name
        self.max_attempts = max_attempts
        self.recorder = recorder

    def get_retry_decision(self, *, exception: BaseException, job: StoredJob) -> RetryDecision | None:
        """The library asks this once for each attempt that did not succeed; `job.attempts` were made before it."""
        if isinstance(exception, asyncio.CancelledError):
            self.recorder.given_back(self.name)
            return RetryDecision()
        attempt = job.attempts + 1
        if attempt >= self.max_attempts or isinstance(exception, UnreadableJob):
            self.recorder.given_up(self.name, exception)
            return None
        wait_seconds = RETRY.wait(attempt)
        self.recorder.will_be_retried(self.name, exception, wait_seconds=wait_seconds)
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=wait_seconds))
