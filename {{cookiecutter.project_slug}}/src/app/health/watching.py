"""Looks at the service's health now and then, so that metrics and log tell of a change although nobody asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Never

from app.core.tasks import end
from app.health.report import Health

# A third of the fifteen seconds that Prometheus usually takes between two looks of its own.
LOOK_SECONDS = 5.0


@asynccontextmanager
async def watching(health: Health) -> AsyncIterator[None]:
    """For as long as the block runs. A dependency that hangs holds nobody: no scrape waits for it."""
    task = asyncio.create_task(watch(health), context=Context())
    try:
        yield
    finally:
        await end(task)


async def watch(health: Health) -> Never:
    """Until cancelled. What somebody has just asked for is not looked up again."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await health.report()
