"""One attempt at a job, and what is made of how it ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from procrastinate import App, JobContext, RetryDecision
from procrastinate.jobs import Job as StoredJob
from procrastinate.testing import InMemoryConnector
from structlog.testing import capture_logs

from app.jobs.attempt import Attempts
from app.jobs.backoff import Backoff
from app.jobs.envelope import carried_by, pack
from app.jobs.errors import CancelledItself, TimeLimitExceeded, UnreadableJob
from app.jobs.handler import Handler
from app.jobs.job import Job
from app.jobs.recording import Recorder
from app.jobs.repeating import until_done
from app.jobs.retries import RETRY, Retries
from app.observability.metrics import JobMetrics, Metrics


class Greet(Job):
    name = "test.greet"
    max_attempts = 3
    time_limit_seconds = 0.05
    customer_id: int = 1


Run = Callable[[Greet, list[Greet]], Awaitable[None]]


def recorder(reported: list[BaseException] | None = None) -> Recorder:
    collected = [] if reported is None else reported
    return Recorder(JobMetrics(Metrics().registry), report=collected.append)


def stored(*, attempts: int = 0) -> StoredJob:
    return StoredJob(
        id=7, queue="default", lock=None, queueing_lock=None, task_name=Greet.name, attempts=attempts, task_kwargs={}
    )


async def attempt(run: Run, seen: list[Greet], payload: dict[str, Any] | None = None) -> None:
    """What the library does with a job that it has fetched."""
    context = JobContext(
        app=App(connector=InMemoryConnector()), job=stored(), start_timestamp=time.time(), abort_reason=lambda: None
    )
    given = pack(Greet()).model_dump() if payload is None else payload
    await Attempts(seen, recorder=recorder()).of(Handler(Greet, run))(context, **given)


def decide(error: BaseException, *, attempts: int, reported: list[BaseException] | None = None) -> RetryDecision | None:
    retries = Retries(Greet.name, max_attempts=Greet.max_attempts, recorder=recorder(reported))
    return retries.get_retry_decision(exception=error, job=stored(attempts=attempts))


async def collect(job: Greet, seen: list[Greet]) -> None:
    seen.append(job)


async def hang(_job: Greet, _seen: list[Greet]) -> None:
    await asyncio.Event().wait()


async def time_out_by_itself(_job: Greet, _seen: list[Greet]) -> None:
    raise TimeoutError("a partner was slow")


async def cancel_itself(_job: Greet, _seen: list[Greet]) -> None:
    raise asyncio.CancelledError


async def test_the_handler_gets_the_job_and_what_is_open() -> None:
    seen: list[Greet] = []

    await attempt(collect, seen, pack(Greet(customer_id=7)).model_dump())

    assert seen == [Greet(customer_id=7)]


@pytest.mark.parametrize(
    ("run", "error"),
    [(hang, TimeLimitExceeded), (time_out_by_itself, TimeoutError), (cancel_itself, CancelledItself)],
)
async def test_whatever_it_does_is_a_failed_attempt(run: Run, error: type[Exception]) -> None:
    with pytest.raises(error):
        await attempt(run, [])


@pytest.mark.parametrize("payload", [{"job": {"customer_id": "s3cret"}, "context": {}}, {}, {"job": [], "context": {}}])
async def test_a_payload_that_does_not_fit_is_not_quoted(payload: dict[str, Any]) -> None:
    with pytest.raises(UnreadableJob) as caught:
        await attempt(collect, [], payload)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("before", "is_retried"), [(0, True), (1, True), (2, False), (3, False)])
def test_after_the_last_attempt_it_is_given_up_and_reported(before: int, *, is_retried: bool) -> None:
    reported: list[BaseException] = []
    error = RuntimeError("boom")

    decision = decide(error, attempts=before, reported=reported)

    assert (decision is not None) == is_retried
    assert reported == ([] if is_retried else [error])


def test_what_can_never_be_read_is_given_up_at_once() -> None:
    assert decide(UnreadableJob("no"), attempts=0) is None


def test_what_was_interrupted_is_given_back_at_once_even_from_its_last_attempt() -> None:
    decision = decide(asyncio.CancelledError(), attempts=Greet.max_attempts)

    assert decision is not None
    assert decision.retry_at is None


def test_waits_grow_up_to_a_limit_and_are_spread() -> None:
    backoff = Backoff(first_seconds=1, longest_seconds=60)

    assert [backoff.limit(failures) for failures in (1, 2, 3, 7, 10_000)] == [1, 2, 4, 60, 60]
    waits = {backoff.wait(3) for _ in range(100)}
    assert len(waits) > 90
    assert all(0 <= wait <= 4 for wait in waits)


def test_the_default_attempts_outlast_a_short_outage_and_end_within_the_hour() -> None:
    limits = [RETRY.limit(failures) for failures in range(1, Job.max_attempts)]

    assert 20 * 60 < sum(limits) / 2 < sum(limits) < 60 * 60


def test_a_payload_that_cannot_be_read_carries_nothing() -> None:
    assert carried_by({}) == carried_by({"context": 1}) == {}


async def test_trouble_is_told_once_and_so_is_its_end() -> None:
    failures = iter([OSError("gone"), OSError("gone"), None])

    async def action() -> str:
        if error := next(failures):
            raise error
        return "done"

    with capture_logs() as events:
        result = await until_done("fetching", action)

    assert result == "done"
    assert [(event["event"], event["part"]) for event in events] == [
        ("worker_hindered", "fetching"),
        ("worker_recovered", "fetching"),
    ]
