"""Waiting for something to become true, but not for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.02


def wait_until(is_so: Callable[[], bool], *, within_seconds: float = 50, what: str) -> None:
    """Return as soon as it is so. Raises `AssertionError`."""
    deadline = time.monotonic() + within_seconds
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come within {within_seconds:g} s"
        time.sleep(POLL_SECONDS)


async def eventually(is_so: Callable[[], Awaitable[bool]], *, within_seconds: float = 10) -> None:
    """The same in an event loop, for what has to be awaited. Raises `TimeoutError`."""
    async with asyncio.timeout(within_seconds):
        while not await is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(POLL_SECONDS)


async def until(is_so: Callable[[], bool], *, within_seconds: float = 10) -> None:
    """The same for what need not be awaited."""

    async def check() -> bool:
        return is_so()

    await eventually(check, within_seconds=within_seconds)


async def happens(is_so: Callable[[], Awaitable[bool]], *, within_seconds: float = 5) -> bool:
    """Whether it did in time, for a test that claims so."""
    try:
        await eventually(is_so, within_seconds=within_seconds)
    except TimeoutError:
        return False
    return True


async def comes_true(is_so: Callable[[], bool], *, within_seconds: float) -> bool:
    """The same for what need not be awaited."""

    async def check() -> bool:
        return is_so()

    return await happens(check, within_seconds=within_seconds)
