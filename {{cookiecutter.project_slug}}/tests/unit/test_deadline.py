"""A deadline ends what runs inside of it, tells what is left, and is never later than the one around it."""

import asyncio
from math import inf

import pytest

from app.core.errors import DeadlineExceeded
from app.resilience.deadline import Deadline, remaining
from tests.support.clock import Clock

FOR_EVER = 3_600.0


async def test_without_one_there_is_no_end() -> None:
    assert remaining() == inf


async def test_what_takes_longer_is_cancelled() -> None:
    with pytest.raises(DeadlineExceeded), Deadline(0.01):
        await asyncio.sleep(FOR_EVER)

    assert remaining() == inf


async def test_inside_it_says_what_is_left_to_everything_that_was_begun_there() -> None:
    with Deadline(5):
        here = remaining()
        there = await asyncio.create_task(what_is_left())

    assert 4 < there <= here <= 5


async def what_is_left() -> float:
    return remaining()


async def test_one_inside_of_another_can_only_be_earlier() -> None:
    with Deadline(5):
        with Deadline(FOR_EVER):
            as_long = remaining()
        with Deadline(1):
            shorter = remaining()
        afterwards = remaining()

    assert as_long <= 5
    assert shorter <= 1
    assert 4 < afterwards <= 5


async def test_a_time_out_of_somebody_else_stays_one() -> None:
    with pytest.raises(TimeoutError), Deadline(FOR_EVER):
        raise TimeoutError


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async def work() -> None:
        with Deadline(FOR_EVER):
            await asyncio.sleep(FOR_EVER)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_once_lifted_it_never_comes() -> None:
    with Deadline(0) as deadline:
        deadline.lift()
        await let_others_run()

        assert remaining() == inf


async def let_others_run() -> None:
    """A deadline of 0 s is due in the next turn of the event loop."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_while_it_is_paused_no_time_passes() -> None:
    clock = Clock()

    with Deadline(5, clock=clock) as deadline:
        clock.advance(1)
        deadline.pause()
        clock.advance(FOR_EVER)
        deadline.resume()
        left = remaining()

    assert left == 4


async def test_it_does_not_come_while_it_is_paused_and_does_afterwards() -> None:
    done: list[str] = []

    async def pause_and_go_on() -> None:
        with Deadline(0) as deadline:
            deadline.pause()
            await let_others_run()
            done.append("paused")
            deadline.resume()
            await asyncio.sleep(FOR_EVER)

    with pytest.raises(DeadlineExceeded):
        await pause_and_go_on()

    assert done == ["paused"]


async def test_a_pause_does_not_bring_back_what_was_lifted() -> None:
    with Deadline(0) as deadline:
        deadline.lift()
        deadline.pause()
        deadline.resume()
        await let_others_run()

        assert remaining() == inf
