"""A rate limit in the memory of this process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import floor

from app.core.rates import Bucket, Rate, Standing

# About 200 bytes each. Whoever has more addresses than this is stopped by other means.
MOST_KEYS = 50_000

SLACK_SECONDS = 0.001


class LocalLimit:
    """`rate.amount` at once, and then as many in `rate.seconds`, evenly spread, for each key.

    This is the Generic Cell Rate Algorithm in its form of virtual scheduling (ITU-T I.371, annex A): all that is
    remembered of a key is the time at which its allowance is whole again. Within any `rate.seconds` after a pause,
    up to twice the amount may pass. Of more than `MOST_KEYS`, those that were silent for longest are forgotten.
    Several processes count by themselves, so together they let through as many times the rate.
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.clock = clock
        self.interval = rate.seconds / rate.amount
        # Sums of many intervals are a little off, and must not refuse the last one that is allowed.
        self.slack = min(SLACK_SECONDS, self.interval / 2)
        self.whole_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, *, cost: int = 1) -> float:
        """Take one and return 0, or take none and return the seconds until there is one."""
        now = self.clock()
        whole_at = self.whole_at_after(key, now, cost)
        seconds = self.wait_for(whole_at, now)
        if seconds == 0:
            self.whole_at[key] = whole_at
        self.whole_at.move_to_end(key)
        self.forget_one(now)
        return seconds

    def give_back(self, key: str) -> None:
        """One that was taken, as if it had not been."""
        if key in self.whole_at:
            self.whole_at[key] -= self.interval

    def wait(self, key: str, now: float) -> float:
        """How many seconds until one could be taken; 0 if now."""
        return self.wait_for(self.whole_at_after(key, now, 1), now)

    def wait_for(self, whole_at: float, now: float) -> float:
        seconds = whole_at - now - self.rate.seconds
        return seconds if seconds > self.slack else 0.0

    def whole_at_after(self, key: str, now: float, cost: int) -> float:
        """Never more than there ever is, or it would never be allowed."""
        return max(self.whole_at.get(key, now), now) + self.interval * min(cost, self.rate.amount)

    def left(self, key: str, now: float) -> tuple[int, float]:
        """How many could be taken now, and in how many seconds there is one more."""
        used = max(self.whole_at.get(key, now) - now, 0.0) / self.interval
        left = floor(self.rate.amount - used + self.slack / self.interval)
        return left, max((used - self.rate.amount + left + 1) * self.interval, 0.0)

    def forget_one(self, now: float) -> None:
        """Each call adds one key at most, so one is enough."""
        oldest = next(iter(self.whole_at), None)
        if oldest is not None and (self.whole_at[oldest] <= now or len(self.whole_at) > MOST_KEYS):
            del self.whole_at[oldest]


class LocalLimits:
    """One for each limit, which together count requests that several limits hold for."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.limits: dict[tuple[str, Rate], LocalLimit] = {}

    def take(self, buckets: Sequence[Bucket]) -> list[Standing]:
        """One from each, or none from any if one of them is empty."""
        now = self.clock()
        waits = [self.limit_of(bucket).wait(bucket.whom, now) for bucket in buckets]
        if not any(waits):
            for bucket in buckets:
                self.limit_of(bucket).take(bucket.whom)
        return [self.standing(bucket, now, wait) for bucket, wait in zip(buckets, waits, strict=True)]

    def standing(self, bucket: Bucket, now: float, wait: float) -> Standing:
        left, seconds = self.limit_of(bucket).left(bucket.whom, now)
        return Standing(bucket, left, wait or seconds, is_refused=wait > 0)

    def limit_of(self, bucket: Bucket) -> LocalLimit:
        """By name and rate, as Redis has them. The limits stand in the code, so there are few."""
        place = (bucket.limit, bucket.rate)
        if place not in self.limits:
            self.limits[place] = LocalLimit(bucket.rate, clock=self.clock)
        return self.limits[place]
