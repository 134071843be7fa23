"""Identical calls share one run; everybody may leave it, and nobody is hurt by another's deadline."""

import asyncio
from contextvars import ContextVar
from math import inf

import pytest

from app.core.errors import DeadlineExceeded
from app.resilience.deadline import Deadline, remaining
from app.resilience.single_flight import RunCancelled, SingleFlight

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="none")


class Work:
    """What is to be done once. It waits until it is released, and says what it saw."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.runs = 0
        self.cleaned_up = 0
        self.remaining = 0.0
        self.request_id = ""
        self.released = asyncio.Event()

    async def __call__(self) -> object:
        self.runs += 1
        self.remaining = remaining()
        self.request_id = REQUEST_ID.get()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.cleaned_up += 1
            raise
        if self.error:
            raise self.error
        return object()


async def begin(flight: SingleFlight[str, object], key: str, work: Work, *, callers: int) -> list[asyncio.Task[object]]:
    """So many callers, all of them waiting."""
    tasks = [asyncio.create_task(flight.run(key, work)) for _ in range(callers)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_identical_calls_share_one_run_and_its_value() -> None:
    flight, work = SingleFlight[str, object](), Work()
    callers = await begin(flight, "a", work, callers=50)

    work.released.set()
    values = await asyncio.gather(*callers)

    assert work.runs == 1
    assert len({id(value) for value in values}) == 1


async def test_other_keys_and_later_calls_have_runs_of_their_own() -> None:
    flight, work = SingleFlight[str, object](), Work()
    work.released.set()

    await asyncio.gather(flight.run("a", work), flight.run("b", work))
    await flight.run("a", work)

    assert work.runs == 3
    assert not flight.flights


async def test_an_error_is_everybodys() -> None:
    flight, work = SingleFlight[str, object](), Work(error=ValueError("broken"))
    callers = await begin(flight, "a", work, callers=3)

    work.released.set()
    errors = await asyncio.gather(*callers, return_exceptions=True)

    assert [str(error) for error in errors] == ["broken"] * 3
    assert work.runs == 1
    assert not flight.flights


async def test_who_is_cancelled_leaves_alone() -> None:
    flight, work = SingleFlight[str, object](), Work()
    first, second, third = await begin(flight, "a", work, callers=3)

    first.cancel()
    third.cancel()
    await asyncio.wait([first, third])
    work.released.set()

    assert await second
    assert (first.cancelled(), third.cancelled(), work.runs) == (True, True, 1)


async def test_whose_deadline_passes_leaves_alone_also_the_one_who_began() -> None:
    flight, work = SingleFlight[str, object](), Work()

    async def hurried() -> object:
        with Deadline(0.01):
            return await flight.run("a", work)

    first = asyncio.create_task(hurried())
    patient = (await begin(flight, "a", work, callers=1))[0]

    with pytest.raises(DeadlineExceeded):
        await first
    work.released.set()

    assert await patient
    assert (work.runs, work.remaining) == (1, inf)


async def test_when_nobody_waits_any_more_the_run_is_cancelled_and_cleans_up_before_the_last_one_goes() -> None:
    flight, work = SingleFlight[str, object](), Work()
    callers = await begin(flight, "a", work, callers=2)

    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)

    assert work.cleaned_up == 1
    assert not flight.flights


async def test_who_comes_while_a_run_is_cleaning_up_gets_one_of_its_own() -> None:
    flight, left, new = SingleFlight[str, object](), Work(), Work()
    [caller] = await begin(flight, "a", left, callers=1)
    caller.cancel()
    await asyncio.sleep(0)

    [later] = await begin(flight, "a", new, callers=1)
    new.released.set()

    assert await later
    assert (left.runs, new.runs) == (1, 1)


async def test_a_run_that_somebody_else_cancels_is_an_answer_and_not_a_cancellation() -> None:
    flight, work = SingleFlight[str, object](), Work()
    callers = await begin(flight, "a", work, callers=2)

    flight.flights["a"].task.cancel()
    errors = await asyncio.gather(*callers, return_exceptions=True)

    assert [type(error) for error in errors] == [RunCancelled, RunCancelled]


async def test_a_run_is_done_in_the_name_of_whoever_began_it() -> None:
    flight, work = SingleFlight[str, object](), Work()
    work.released.set()
    REQUEST_ID.set("first")

    with Deadline(5):
        await flight.run("a", work)

        assert 4 < remaining() <= 5
    assert (work.request_id, work.remaining) == ("first", inf)
