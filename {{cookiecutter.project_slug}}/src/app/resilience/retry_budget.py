"""How many calls may be repeated, all callers together.

Three attempts for each call are three times the load for a partner that fails because of its load. So repetitions
are a part of the calls: 10 % for each client (Google, Site Reliability Engineering, chapter 21, "Handling Overload").
"""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOptions:
    """Each call adds `ratio` of a repetition, and each second `per_second`, for partners that are seldom called.

    At most `most` are saved up. It begins with all of them, because a service that has just started should
    be as patient as any other.
    """

    ratio: float = 0.1
    per_second: float = 0.1
    most: float = 10.0


class RetryBudget:
    """A token bucket; a repetition takes one."""

    __slots__ = ("balance", "clock", "options", "paid_at")

    def __init__(self, options: BudgetOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.options = options
        self.clock = clock
        self.balance = options.most
        self.paid_at = clock()

    def count_call(self) -> None:
        """One call, not counting its repetitions."""
        options = self.options
        self.balance = min(self.balance + options.ratio, options.most)

    def take(self) -> bool:
        """Whether there was enough for one repetition."""
        now = self.clock()
        earned = (now - self.paid_at) * self.options.per_second
        self.balance = min(self.balance + earned, self.options.most)
        self.paid_at = now
        if self.balance < 1:
            return False
        self.balance -= 1
        return True
