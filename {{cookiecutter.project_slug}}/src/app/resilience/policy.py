"""How one partner is called: all that keeps its troubles from becoming ours, in one place.

    deadline for all attempts ─▶ bulkhead ─▶ circuit breaker ─▶ time-out for one attempt ─▶ the operation
          ▲                                                                                      │
          └────────────── retry: back-off, budget, only what may be repeated ◀── AttemptFailed ──┘

What counts for the circuit breaker:

| the attempt | counts as |
|---|---|
| returns, whatever it is | success; slow if it took `slow_seconds` |
| raises `AttemptFailed` | failure, unless it says otherwise |
| is not done after `attempt_seconds` | failure |
| is cut off earlier: no time is left, nobody waits | slow if it had taken `slow_seconds`, else nothing |
| raises anything else, which is a mistake of ours | the same |

A partner that hangs is found out even if no caller ever waits for `attempt_seconds`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from app.core.errors import DeadlineExceeded
from app.resilience.attempt import AttemptFailed, AttemptTimedOut
from app.resilience.backoff import Backoff
from app.resilience.bulkhead import Bulkhead, BulkheadOptions
from app.resilience.circuit_breaker import BreakerOptions, CircuitBreaker
from app.resilience.retry import Retrying
from app.resilience.retry_budget import BudgetOptions, RetryBudget

T = TypeVar("T")
Operation = Callable[[], Awaitable[T]]

# Of the time for one attempt: what takes longer is slow.
SLOW_PART = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The options of one partner. `attempts` of at most `attempt_seconds` each, within `deadline_seconds` for all."""

    deadline_seconds: float = 3.0
    attempt_seconds: float = 1.0
    attempts: int = 3
    backoff: Backoff = field(default_factory=lambda: Backoff(first_seconds=0.05, longest_seconds=1.0))
    budget: BudgetOptions = field(default_factory=BudgetOptions)
    bulkhead: BulkheadOptions = field(default_factory=BulkheadOptions)
    breaker: BreakerOptions = field(default_factory=BreakerOptions)


class Guard:
    """Calls one partner as its policy says. One for each partner and process, shared by all who call it."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        *,
        on_retry: Callable[[AttemptFailed], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.policy = policy
        self.clock = clock
        self.breaker = CircuitBreaker(name, breaker_options(policy), clock=clock)
        self.bulkhead = Bulkhead(name, policy.bulkhead, clock=clock)
        self.budget = RetryBudget(policy.budget, clock=clock)
        self.retrying = Retrying(
            attempts=policy.attempts, backoff=policy.backoff, budget=self.budget, on_retry=on_retry, clock=clock
        )

    async def call(self, operation: Operation[T], *, is_repeatable: bool) -> T:
        """What the operation returns.

        `is_repeatable` says that doing it twice is as good as once. Raises `AttemptFailed` (the last one), and if the
        partner was not asked even once `CircuitOpen`, `BulkheadFull`, or `DeadlineExceeded`: it stood in line for all
        of its time. The time of the request that this is for is its caller's affair.
        """
        ends_at = self.must_end_at()
        self.budget.count_call()
        try:
            return await self.in_turn(operation, ends_at)
        except AttemptFailed as failure:
            again = partial(self.in_turn, operation, ends_at)
            return await self.retrying.after(failure, again, is_repeatable=is_repeatable, ends_at=ends_at)

    def must_end_at(self) -> float:
        """When a call that begins now is over, with all its attempts."""
        return self.clock() + self.policy.deadline_seconds

    async def in_turn(self, operation: Operation[T], ends_at: float) -> T:
        """Once, when there is room for it."""
        if not self.bulkhead.try_enter():
            self.breaker.refuse_if_open()  # nobody stands in line for what will not be asked
            await self.bulkhead.wait()
        try:
            return await self.past_the_circuit(operation, ends_at)
        finally:
            self.bulkhead.leave()

    async def past_the_circuit(self, operation: Operation[T], ends_at: float) -> T:
        """Once, if the circuit lets it pass, and tell the circuit what became of it."""
        began = self.clock()
        seconds = min(self.policy.attempt_seconds, ends_at - began)
        if seconds <= 0:
            raise DeadlineExceeded
        ticket = self.breaker.enter()
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                found = await operation()
        except BaseException as error:
            took = self.clock() - began
            if isinstance(error, TimeoutError) and timer.expired():
                self.record_time_out(ticket, took, is_whole=seconds == self.policy.attempt_seconds)
                raise AttemptTimedOut(self.name) from None
            self.record_error(ticket, took, error)
            raise
        self.breaker.record(ticket, seconds=self.clock() - began, is_failed=False)
        return found

    def record_time_out(self, ticket: int, seconds: float, *, is_whole: bool) -> None:
        """A partner that was not given its whole time is not to blame for having needed more."""
        if is_whole:
            self.breaker.record(ticket, seconds=seconds, is_failed=True)
        else:
            self.breaker.abandon(ticket, seconds=seconds)

    def record_error(self, ticket: int, seconds: float, error: BaseException) -> None:
        if isinstance(error, AttemptFailed):
            self.breaker.record(ticket, seconds=seconds, is_failed=error.is_held_against)
        else:
            self.breaker.abandon(ticket, seconds=seconds)


def breaker_options(policy: Policy) -> BreakerOptions:
    """What takes four fifths of its time is slow, unless the policy says otherwise."""
    if policy.breaker.slow_seconds is not None:
        return policy.breaker
    return replace(policy.breaker, slow_seconds=SLOW_PART * policy.attempt_seconds)
