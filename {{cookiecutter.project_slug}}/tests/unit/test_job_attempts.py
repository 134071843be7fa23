"""One attempt at a job, and what is made of how it ends."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from app.jobs.attempt import RETRY, Attempt, Ending, Outcome
from app.jobs.envelope import carried_by, pack
from app.jobs.errors import CancelledItself, TimeLimitExceeded, TriedToExit, UnknownJob, UnreadableJob
from app.jobs.handler import Handler
from app.jobs.job import Job
from app.jobs.repeating import until_done
from app.resilience.backoff import Backoff
from tests.support.waiting import until


class Greet(Job):
    name = "test.greet"
    max_attempts = 3
    time_limit_seconds = 0.05
    customer_id: int = 1


Run = Callable[[Greet, list[Greet]], Awaitable[None]]


def attempt(run: Run, *, payload: str | None = None, name: str = "test.greet") -> Attempt[list[Greet]]:
    return Attempt({"test.greet": Handler(Greet, run)}, [], name=name, payload=payload or pack(Greet()))


async def collect(job: Greet, seen: list[Greet]) -> None:
    seen.append(job)


async def crash(_job: Greet, _seen: list[Greet]) -> None:
    raise RuntimeError("boom")


async def hang(_job: Greet, _seen: list[Greet]) -> None:
    await asyncio.Event().wait()


async def time_out_by_itself(_job: Greet, _seen: list[Greet]) -> None:
    raise TimeoutError("a partner was slow")


async def cancel_itself(_job: Greet, _seen: list[Greet]) -> None:
    raise asyncio.CancelledError


async def exit_the_process(_job: Greet, _seen: list[Greet]) -> None:
    raise SystemExit(3)


async def test_the_handler_gets_the_job_and_what_is_open() -> None:
    trial = attempt(collect, payload=pack(Greet(customer_id=7)))

    outcome = await trial.run(attempts_before=0)

    assert outcome == Outcome(Ending.SUCCEEDED)
    assert trial.resources == [Greet(customer_id=7)]


@pytest.mark.parametrize(("before", "ending"), [(0, Ending.RETRIED), (1, Ending.RETRIED), (2, Ending.FAILED)])
async def test_after_the_last_attempt_it_is_given_up(before: int, ending: Ending) -> None:
    outcome = await attempt(crash).run(attempts_before=before)

    assert outcome.ending is ending
    assert str(outcome.error) == "boom"


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (hang, TimeLimitExceeded),
        (time_out_by_itself, TimeoutError),
        (cancel_itself, CancelledItself),
        (exit_the_process, TriedToExit),
    ],
)
async def test_whatever_it_does_is_a_failed_attempt(run: Run, error: type[Exception]) -> None:
    outcome = await attempt(run).run(attempts_before=0)

    assert (outcome.ending, type(outcome.error)) == (Ending.RETRIED, error)


@pytest.mark.parametrize("payload", ['{"job": {"customer_id": "s3cret"}}', "[]", '{"job": []}'])
async def test_a_payload_that_does_not_fit_is_given_up_at_once_and_not_quoted(payload: str) -> None:
    outcome = await attempt(collect, payload=payload).run(attempts_before=0)

    assert (outcome.ending, type(outcome.error)) == (Ending.FAILED, UnreadableJob)
    assert "s3cret" not in str(outcome.error)


@pytest.mark.parametrize(("before", "ending"), [(0, Ending.RETRIED), (Job.max_attempts - 1, Ending.FAILED)])
async def test_a_name_that_nobody_knows_yet_waits_for_a_worker_that_does(before: int, ending: Ending) -> None:
    outcome = await attempt(collect, name="test.gone").run(attempts_before=before)

    assert (outcome.ending, type(outcome.error)) == (ending, UnknownJob)


@pytest.mark.parametrize("ending", [Ending.ABORTED, Ending.GIVEN_BACK])
async def test_an_interrupted_attempt_is_no_failure_even_if_it_is_the_last(ending: Ending) -> None:
    trial = attempt(hang)
    running = asyncio.create_task(trial.run(attempts_before=2))
    await until(lambda: trial.work is not None)

    trial.interrupt(ending)

    assert await running == Outcome(ending)


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
    assert carried_by("{}") == carried_by('{"context": 1}') == {}


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
    assert events[0]["error"] == "OSError: gone"
