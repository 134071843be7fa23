"""The time by which the request being served must be answered, for whatever works for it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from types import TracebackType

from app.core.errors import DeadlineExceeded


class Deadline:
    """`async with Deadline(2.5):` cancels the block after so many seconds, and then raises `DeadlineExceeded`.

    Inside of another deadline it can only be earlier. Its time may stand still (`pause`, `resume`), and
    `lift` takes it away.
    """

    __slots__ = ("before", "clock", "ends_at", "paused_at", "timer")

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.before = _current.get()
        self.clock = clock
        self.ends_at = clock() + min(seconds, inf if self.before is None else self.before.remaining)
        self.paused_at = 0.0

    @property
    def remaining(self) -> float:
        """Seconds; below 0 when it has passed, infinite when it was lifted."""
        return self.ends_at - self.clock()

    async def __aenter__(self) -> "Deadline":
        self.timer = asyncio.timeout(self.remaining)
        await self.timer.__aenter__()
        _current.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.set(self.before)
        try:
            await self.timer.__aexit__(kind, error, trace)
        except TimeoutError:
            raise DeadlineExceeded from None

    def pause(self) -> None:
        """Something outside takes its time, which is limited elsewhere."""
        self.paused_at = self.clock()
        self.set_timer(None)

    def resume(self) -> None:
        """Go on with what was left."""
        self.ends_at += self.clock() - self.paused_at
        if self.ends_at < inf:
            self.set_timer(asyncio.get_running_loop().time() + self.remaining)

    def lift(self) -> None:
        """There is no limit any more."""
        self.ends_at = inf
        self.set_timer(None)

    def set_timer(self, when: float | None) -> None:
        if not self.timer.expired():  # else the cancellation is on its way, and nothing takes it back
            self.timer.reschedule(when)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def remaining() -> float:
    """Seconds that are left for the work in this context; infinite without a deadline, below 0 when it has passed."""
    current = _current.get()
    return inf if current is None else current.remaining


@contextmanager
def suspended() -> Iterator[None]:
    """For what must not be cut off half-way, and has a limit of its own: the deadline's time stands still meanwhile."""
    current = _current.get()
    if current is None:
        yield
        return
    current.pause()
    try:
        yield
    finally:
        current.resume()
