"""Stops asking a partner that does not work, and finds out carefully whether it works again.

                 too many of the last calls failed or were slow
        CLOSED ───────────────────────────────────────────────▶ OPEN ◀─────────────────┐
           ▲                                                      │ open_seconds later,  │ too many of
           │ enough probes went well                              ▼ at the next call     │ the probes did not
           └────────────────────────────────────────────────── HALF_OPEN ────────────────┘

An operator may put it into FORCED_OPEN or FORCED_CLOSED; there it stays until it is automatic again.

The pattern is Michael Nygard's (Release It!, 2nd edition, chapter 5). The rates over a sliding window, slow calls as a
rate of their own and a limited number of probes are those of Resilience4j's CircuitBreaker
(https://resilience4j.readme.io/docs/circuitbreaker).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf

from app.core.errors import Unavailable
from app.resilience.sliding_window import SlidingWindow


class CircuitState(StrEnum):
    """Whether calls may pass. Also a metric's label."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"


class Cause(StrEnum):
    """Why a state has changed."""

    FAILURES = "failures"
    SLOWNESS = "slowness"
    ELSEWHERE = "elsewhere"  # another process found out
    TIME = "time"
    PROBES = "probes"
    OPERATOR = "operator"


class CircuitOpen(Unavailable):
    """It is known not to work, so it was not asked. `retry_after` says when it will be."""

    def __init__(self, name: str, *, retry_after: int) -> None:
        super().__init__(f"{name} does not work at the moment. Try again shortly.", retry_after=retry_after)
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOptions:
    """Rates are parts of the calls in the window: the last `window` within `window_seconds`.

    Below `minimum_calls` there is no rate. A partner of whose calls every tenth fails by nature is practically never
    taken for a dead one with a window of 50 calls (one window in 10¹²), and with 10 it is one window in 600.

    Without `slow_seconds` no call is slow; a `Policy` then sets it by its `attempt_seconds`. A rate above 1 is never
    reached, so it takes no notice of what it counts. Raises `ValueError` for numbers with which a circuit could never
    open, or never close again.
    """

    window: int = 50
    window_seconds: float = 60.0
    minimum_calls: int = 10
    failure_rate: float = 0.5
    slow_seconds: float | None = None
    slow_rate: float = 0.8
    open_seconds: float = 4.0
    probes: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.minimum_calls <= self.window:
            raise ValueError(
                f"A window of {self.window} calls never holds the {self.minimum_calls} that decide: "
                "minimum_calls must be from 1 to window."
            )
        if not 1 <= self.probes <= self.window:
            raise ValueError(
                f"{self.probes} probes in a window of {self.window} calls never close a circuit again: "
                "probes must be from 1 to window."
            )
        if self.failure_rate <= 0 or self.slow_rate <= 0:
            raise ValueError(
                "With a rate of 0 the first probe opens a circuit again, however well it went: "
                "failure_rate and slow_rate must be above 0."
            )


@dataclass(frozen=True, slots=True)
class Change:
    """One circuit went from one state to another. `open_seconds` is for how long it will be open, if it is."""

    name: str
    before: CircuitState
    after: CircuitState
    cause: Cause
    open_seconds: float = 0.0


Listener = Callable[[Change], None]

FORCED = frozenset({CircuitState.FORCED_OPEN, CircuitState.FORCED_CLOSED})


class CircuitBreaker:
    """For one partner, in one process.

    Whoever wants to call asks `enter()`, and says afterwards what became of it, exactly once and whatever happened:
    `record()`, or `abandon()` if nobody knows. Listeners are told of every change, at once; they must not raise.

    Every change of state begins a new generation, with an empty window and all its probes. A ticket is the number of
    the generation in which its call began: a call that hung since before the circuit opened has an old one, and neither
    counts among the probes nor gives back a place that it never had.
    """

    def __init__(self, name: str, options: BreakerOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.options = options
        self.clock = clock
        self.listeners: list[Listener] = []
        self.generation = 0
        self.begin(CircuitState.CLOSED)

    def enter(self) -> int:
        """A ticket for one call. Raises `CircuitOpen`."""
        if self.state is not CircuitState.CLOSED:
            self.admit()
        return self.generation

    def record(self, ticket: int, *, seconds: float, is_failed: bool) -> None:
        """The call ended after so many seconds, and the partner is to blame for it or not."""
        if ticket != self.generation:  # what began in an earlier state says nothing about this one
            return
        is_slow = self.is_slow(seconds)
        self.window.add(self.clock(), is_failed=is_failed, is_slow=is_slow)
        if is_failed or is_slow or self.state is not CircuitState.CLOSED:
            self.judge()

    def abandon(self, ticket: int, *, seconds: float) -> None:
        """The call was given up after so many seconds, for reasons of our own.

        If it had been slow by then it counts as that, because this is known. Otherwise it counts as nothing, and
        a probe gives its place back.
        """
        if self.is_slow(seconds):
            self.record(ticket, seconds=seconds, is_failed=False)
        elif ticket == self.generation:
            self.probes_left += 1

    def is_slow(self, seconds: float) -> bool:
        """Whether a call that took so long is one of the slow ones."""
        slow_seconds = self.options.slow_seconds
        return slow_seconds is not None and seconds >= slow_seconds

    def refuse_if_open(self) -> None:
        """Raises `CircuitOpen` if `enter` would do so now. Takes nothing."""
        match self.state:
            case CircuitState.OPEN:
                is_refused = self.clock() < self.open_until
            case CircuitState.HALF_OPEN:
                is_refused = not self.probes_left
            case _:
                is_refused = self.state is CircuitState.FORCED_OPEN
        if is_refused:
            raise self.refusal()

    def admit(self) -> None:
        """Let a call pass although the circuit is not simply closed. Raises `CircuitOpen`."""
        self.refuse_if_open()
        if self.state is CircuitState.OPEN:
            self.change(CircuitState.HALF_OPEN, Cause.TIME)
        if self.state is CircuitState.HALF_OPEN:
            self.probes_left -= 1

    def refusal(self) -> CircuitOpen:
        left = self.open_until - self.clock() if self.state is CircuitState.OPEN else self.options.open_seconds
        return CircuitOpen(self.name, retry_after=max(ceil(left), 1))

    def judge(self) -> None:
        """Change the state if what is known suffices."""
        if self.state is CircuitState.CLOSED and len(self.window) >= self.options.minimum_calls:
            self.open_if_bad(out_of=len(self.window))
        elif self.state is CircuitState.HALF_OPEN:
            # Of all probes, those included that have not ended: what is certain need not be waited for.
            self.open_if_bad(out_of=self.options.probes)
            if self.state is CircuitState.HALF_OPEN and len(self.window) >= self.options.probes:
                self.change(CircuitState.CLOSED, Cause.PROBES)

    def open_if_bad(self, *, out_of: int) -> None:
        if self.window.failed >= self.options.failure_rate * out_of:
            self.open(self.options.open_seconds, Cause.FAILURES)
        elif self.window.slow >= self.options.slow_rate * out_of:
            self.open(self.options.open_seconds, Cause.SLOWNESS)

    def open_elsewhere(self, seconds: float) -> None:
        """Another process found that the partner does not work, and will not ask for so many seconds more.

        Believed by whoever has not called enough lately to know better. Else one process that cannot reach
        the partner, through a fault of its own, would keep all others from doing so.
        """
        if self.state is CircuitState.CLOSED:
            self.window.forget(self.clock())
            if len(self.window) < self.options.minimum_calls:
                self.open(min(seconds, self.options.open_seconds), Cause.ELSEWHERE)

    def force(self, state: CircuitState | None) -> None:
        """Stay open or closed, whatever happens; with None be automatic again, beginning with a closed circuit."""
        if state is None and self.state in FORCED:
            self.change(CircuitState.CLOSED, Cause.OPERATOR)
        elif state in FORCED and state is not self.state:
            self.change(state, Cause.OPERATOR)

    def open(self, seconds: float, cause: Cause) -> None:
        self.change(CircuitState.OPEN, cause, open_seconds=seconds)

    def change(self, after: CircuitState, cause: Cause, *, open_seconds: float = 0.0) -> None:
        change = Change(self.name, self.state, after, cause, open_seconds)
        self.begin(after, open_seconds)
        for listener in self.listeners:
            listener(change)

    def begin(self, state: CircuitState, open_seconds: float = 0.0) -> None:
        """A new state, in which nothing is known yet. Tickets of earlier ones are void."""
        options = self.options
        is_half_open = state is CircuitState.HALF_OPEN
        self.state = state
        self.generation += 1
        self.open_until = self.clock() + open_seconds
        self.probes_left = options.probes
        # Probes are remembered until all have ended, however seldom the partner is called.
        self.window = SlidingWindow(size=options.window, seconds=inf if is_half_open else options.window_seconds)
