"""How long to wait before trying again.

"Full jitter": any time between nothing and an exponentially growing, capped limit. Of the variants that Marc Brooker
compared in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ it takes the fewest calls.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """`first_seconds` is the limit of the first wait; it doubles with each failure up to `longest_seconds`."""

    first_seconds: float
    longest_seconds: float

    def limit(self, failures: int) -> float:
        """The longest wait after that many failures, in seconds."""
        # Beyond 2^32 everything is capped, and floats would overflow in the end.
        return float(min(self.longest_seconds, self.first_seconds * 2 ** min(failures - 1, 32)))

    def wait(self, failures: int) -> float:
        """Seconds to wait after that many failures; `failures` is at least 1."""
        return random.uniform(0, self.limit(failures))  # noqa: S311 - spreads load, guards nothing
