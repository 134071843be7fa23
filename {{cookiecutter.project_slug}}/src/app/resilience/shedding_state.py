"""Whether this process turns requests away at the moment, for whatever should be stricter meanwhile."""

import asyncio
from collections.abc import Callable
from contextvars import Context

# Shorter pauses belong to the same overload: one line in the log for its beginning, and one for its end.
CALM_SECONDS = 1.0


class SheddingState:
    """Begins with the first request that is turned away, and ends when there was none for `CALM_SECONDS`.

    `on_begin` is called then, and `on_end` with the number of requests that were turned away in between.
    """

    def __init__(self, *, on_begin: Callable[[], None], on_end: Callable[[int], None]) -> None:
        self.on_begin = on_begin
        self.on_end = on_end
        self.is_shedding = False
        self.refused = 0

    def record_refusal(self) -> None:
        """One more request was turned away."""
        self.refused += 1
        if not self.is_shedding:
            self.is_shedding = True
            self.on_begin()
            self.look_later()

    def look_later(self) -> None:
        # In a context of its own: it is not the work of the request that happened to be the first.
        asyncio.get_running_loop().call_later(CALM_SECONDS, self.look, self.refused, context=Context())

    def look(self, refused_before: int) -> None:
        """Whether somebody was turned away since."""
        if self.refused > refused_before:
            self.look_later()
            return
        self.is_shedding = False
        self.on_end(self.refused)
        self.refused = 0
