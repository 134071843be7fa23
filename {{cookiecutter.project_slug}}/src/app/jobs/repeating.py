"""Goes on through whatever happens to the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never, TypeVar

import structlog

from app.persistence.errors import in_words
from app.resilience.backoff import Backoff

T = TypeVar("T")

log = structlog.get_logger()

# All workers come back to a database that has just started: spread, but soon.
RECONNECT = Backoff(first_seconds=0.1, longest_seconds=2.0)


async def until_done(part: str, action: Callable[[], Awaitable[T]]) -> T:
    """What the action returns, as soon as it succeeds. Of failures in a row the first is logged, and their end."""
    failures = 0
    while True:
        try:
            result = await action()
        except Exception as error:  # noqa: BLE001 - a worker that gave up would have to be started again by somebody
            failures += 1
            if failures == 1:
                kind, cause = type(error).__name__, in_words(error.__cause__ or error)
                log.warning("worker_hindered", part=part, error=f"{kind}: {in_words(error)}", cause=cause)
            await asyncio.sleep(RECONNECT.wait(failures))
        else:
            if failures:
                log.info("worker_recovered", part=part, failures=failures)
            return result


async def repeat(part: str, action: Callable[[], Awaitable[None]]) -> Never:
    """Again and again, until cancelled."""
    while True:
        await until_done(part, action)
