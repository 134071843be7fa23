"""The chaos service with clocks that jump a day ahead at each SIGUSR1: the wall clock, and that of lifetimes.

`python -m tests.support.jumping_service serve`. The event loop's own clock, which timers use, does not jump.
"""

import runpy
import signal
import time
from collections.abc import Callable
from typing import Any

DAY_SECONDS = 86_400.0


class JumpingClock:
    """In place of one of the standard library's."""

    def __init__(self, read: Callable[[], float]) -> None:
        self.read = read
        self.ahead = 0.0

    def __call__(self) -> float:
        return self.read() + self.ahead


def main() -> None:
    clocks = [JumpingClock(time.time), JumpingClock(time.monotonic)]

    def jump(*_: Any) -> None:
        for clock in clocks:
            clock.ahead += DAY_SECONDS

    time.time, time.monotonic = clocks
    signal.signal(signal.SIGUSR1, jump)
    # Imported only now: whoever takes a clock as a default takes one of these.
    runpy.run_module("tests.support.chaos_service", run_name="__main__")


if __name__ == "__main__":
    main()
