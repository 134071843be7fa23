"""Waiting for something to become true, but not for ever."""

import asyncio
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.02


async def eventually(is_so: Callable[[], Awaitable[bool]], *, within_seconds: float = 10) -> None:
    """Return as soon as it is so. Raises `TimeoutError`."""
    async with asyncio.timeout(within_seconds):
        while not await is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(POLL_SECONDS)


async def until(is_so: Callable[[], bool], *, within_seconds: float = 10) -> None:
    """The same for what need not be awaited."""

    async def check() -> bool:
        return is_so()

    await eventually(check, within_seconds=within_seconds)
