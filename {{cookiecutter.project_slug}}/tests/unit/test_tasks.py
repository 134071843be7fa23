"""A task is ended: it is over when `end` returns, whatever became of it, and nobody is held who is to go."""

import asyncio
from contextlib import suppress

import pytest

from app.core import tasks
from app.core.tasks import end


async def test_it_has_cleaned_up_before_anybody_goes_on() -> None:
    done = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("cleaned up")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)

    await end(task)

    assert (done, task.cancelled()) == (["cleaned up"], True)


async def test_what_it_died_of_stops_nobody_from_closing_the_rest() -> None:
    async def die() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(die())
    await asyncio.sleep(0)

    await end(task)
    await end(None)

    assert isinstance(task.exception(), ZeroDivisionError)


async def test_a_swallowed_cancellation_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CLEANING_UP_SECONDS", 0.01)

    async def swallow() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(swallow())
    await asyncio.sleep(0)

    await asyncio.wait_for(end(task), timeout=10)

    assert task.cancelled()


async def test_whoever_is_cancelled_meanwhile_goes() -> None:
    may_end = asyncio.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    task = asyncio.create_task(linger())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end(task))
    await asyncio.sleep(0)

    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending

    assert not task.done()
    may_end.set()
    await asyncio.wait([task])
