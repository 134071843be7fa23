"""Work in the background."""

import asyncio
from typing import Any


async def end(task: asyncio.Task[Any] | None) -> None:  # Any: whatever it would have returned
    """Cancel it if there is one, and return when it is over. Whoever is cancelled meanwhile does not stay.

    What it had died of before is not raised here: asyncio logs that, as of every task that nobody asks.
    """
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
