"""How many requests may be in flight: as many as do not wait for each other.

The signal is the time that requests wait in queues, for the event loop and for a connection, and not the time that
they take: a slow report or a slow partner is no overload, and waiting is overload whatever the route. WeChat's DAGOR
takes the same signal and the same 20 ms (Zhou et al., Overload Control for Scaling WeChat Microservices, SoCC 2018).
The limit follows the ratio of target to measured waiting, as Netflix' concurrency-limits follow a gradient of latency.
"""

from collections.abc import Callable

TARGET_SECONDS = 0.02

# What is decided on: long enough for an average, short enough to be right again within a second.
WINDOW_SECONDS = 0.1
FEWEST_SAMPLES = 10

# One step at most. Down quickly, because everybody waits; up slowly, because nothing is lost but some speed.
LEAST_RATIO, MOST_RATIO = 0.5, 1.1

# One slow moment of the loop must not close the door; so few cannot wait for long either.
LEAST = 16
INITIAL = 64


class AdaptiveLimit:
    """A limit between `LEAST` and `most` that learns from how long requests have waited."""

    def __init__(self, *, most: int, clock: Callable[[], float]) -> None:
        self.most = most
        self.least = min(LEAST, most)
        self.exact = float(min(INITIAL, most))
        self.clock = clock
        self.begin_window()

    @property
    def value(self) -> int:
        """How many."""
        return int(self.exact)

    def begin_window(self) -> None:
        self.ends_at = self.clock() + WINDOW_SECONDS
        self.samples = 0
        self.waited = 0.0
        self.was_reached = False

    def observe(self, waited: float, *, in_flight: int) -> bool:
        """One request was served. Whether the limit has changed."""
        self.samples += 1
        self.waited += waited
        self.was_reached = self.was_reached or in_flight >= self.value
        if self.samples < FEWEST_SAMPLES or self.clock() < self.ends_at:
            return False
        before = self.value
        self.exact = min(max(self.exact * self.ratio(), self.least), self.most)
        self.begin_window()
        return self.value != before

    def ratio(self) -> float:
        """By what the limit is multiplied. One that was not reached has not been tried, so it does not grow."""
        average = self.waited / self.samples
        wanted = TARGET_SECONDS / average if average else MOST_RATIO
        return min(max(wanted, LEAST_RATIO), MOST_RATIO if self.was_reached else 1.0)
