"""Work in the background."""

import asyncio
from typing import Any

# Longer than it takes to say goodbye to a server that hangs.
CLEANING_UP_SECONDS = 5.0


async def end(task: asyncio.Task[Any] | None) -> None:  # Any: whatever it would have returned
    """Cancel it if there is one, and return when it is over. Whoever is cancelled meanwhile does not stay.

    Some library may swallow a cancellation, and its caller goes on for ever: it is cancelled again then. What the task
    had died of before is not raised here: asyncio logs that, as of every task that nobody asks.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CLEANING_UP_SECONDS)
