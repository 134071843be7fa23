"""How often something may happen, and how much of that is left."""

from math import ceil
from typing import NamedTuple

# A window of requests is remembered one by one, and a longer one is a quota, which is another thing.
MOST = 1_000_000
LONGEST_SECONDS = 86_400


class Rate(NamedTuple):
    """So many in so many seconds."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """`600/minute`, `10 per 2 seconds`. Raises `ValueError` with a sentence."""
        from limits import parse_many  # takes long to load, and most commands need no rate

        try:
            [item] = parse_many(text)
        except ValueError:
            raise ValueError("must be one rate, such as 600/minute or 5 per 10 seconds") from None
        return cls(item.amount, item.get_expiry()).checked()

    def checked(self) -> "Rate":
        """Itself. Raises `ValueError` when nothing could be counted by it."""
        if not (1 <= self.amount <= MOST and self.seconds <= LONGEST_SECONDS):
            raise ValueError(f"must allow 1 to {MOST} in at most a day")
        return self


class Bucket(NamedTuple):
    """What one request is counted in: the limit's name for callers and metrics, its rate, and whom it counts."""

    limit: str
    rate: Rate
    whom: str


class Standing(NamedTuple):
    """How a bucket stands after the request: how many are left, and in how many seconds there is one more."""

    bucket: Bucket
    left: int
    seconds: float
    is_refused: bool

    @property
    def retry_after(self) -> int:
        """Whole seconds, in which at least one more is there."""
        return max(1, ceil(self.seconds))
