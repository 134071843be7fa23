"""Tries again what failed, if that may help, may be done, and there is time and budget for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.core.errors import DeadlineExceeded, Unavailable
from app.resilience.attempt import AttemptFailed
from app.resilience.backoff import Backoff
from app.resilience.retry_budget import RetryBudget

T = TypeVar("T")


class Retrying:
    """Entered only after a first failure: what goes well pays nothing for it.

    Waits between attempts are random ("full jitter", see `Backoff`), on top of what the partner asked for with
    `Retry-After`. `on_retry` is told of each repetition before it waits.
    """

    def __init__(
        self,
        *,
        attempts: int,
        backoff: Backoff,
        budget: RetryBudget,
        on_retry: Callable[[AttemptFailed], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.attempts = attempts
        self.backoff = backoff
        self.budget = budget
        self.on_retry = on_retry
        self.clock = clock

    async def after(
        self, failure: AttemptFailed, attempt: Callable[[], Awaitable[T]], *, is_repeatable: bool, ends_at: float
    ) -> T:
        """What another attempt returns, until `ends_at` of the clock.

        Raises the last failure. That the partner is not asked any more is none: it would hide what the partner did.
        """
        for failures in range(1, self.attempts):
            wait = failure.wait_seconds + self.backoff.wait(failures)
            if not (may_help(failure, is_repeatable=is_repeatable) and self.can_afford(wait, ends_at)):
                break
            self.on_retry(failure)
            await asyncio.sleep(wait)
            try:
                return await attempt()
            except AttemptFailed as error:
                failure = error
            except (Unavailable, DeadlineExceeded):
                break
        raise failure

    def can_afford(self, wait: float, ends_at: float) -> bool:
        """Asks the budget last, because that takes from it."""
        return self.clock() + wait < ends_at and self.budget.take()


def may_help(failure: AttemptFailed, *, is_repeatable: bool) -> bool:
    """And does no harm."""
    return failure.is_worth_repeating and (is_repeatable or not failure.may_have_happened)
