"""What became of the last calls."""

from collections import deque


class SlidingWindow:
    """The last `size` calls, if they ended within the last `seconds`: how many failed, and how many were slow.

    A count alone would judge a partner that is seldom called by what it did yesterday; a time alone
    takes as long for a partner that is called a thousand times a second as for any other.
    """

    __slots__ = ("calls", "failed", "seconds", "size", "slow")

    def __init__(self, *, size: int, seconds: float) -> None:
        self.size = size
        self.seconds = seconds
        self.calls: deque[tuple[float, bool, bool]] = deque()
        self.failed = 0
        self.slow = 0

    def __len__(self) -> int:
        return len(self.calls)

    def add(self, now: float, *, is_failed: bool, is_slow: bool) -> None:
        """One more has ended, at the time `now` in seconds."""
        self.calls.append((now, is_failed, is_slow))
        self.failed += is_failed
        self.slow += is_slow
        self.forget(now)

    def forget(self, now: float) -> None:
        """What is too old, or too many, counts no more."""
        calls, oldest = self.calls, now - self.seconds
        while len(calls) > self.size or (calls and calls[0][0] < oldest):
            _ended_at, was_failed, was_slow = calls.popleft()
            self.failed -= was_failed
            self.slow -= was_slow
