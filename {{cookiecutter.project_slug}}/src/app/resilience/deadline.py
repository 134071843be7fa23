"""The time by which the request being served must be answered, for whatever works for it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from math import inf
from types import TracebackType

from app.core.errors import DeadlineExceeded

# Whoever waits for something for a request leaves so long before its deadline: to go on without, or to refuse properly.
SECONDS_TO_GO_ON = 0.05


class Deadline:
    """`with Deadline(2.5):` cancels the block after so many seconds, and then raises `DeadlineExceeded`.

    Inside of another deadline it can only be earlier. Its time may stand still (`pause`, `resume`), and
    `lift` takes it away. It works as `asyncio.timeout` does, at a third of its price: every request has one.
    """

    __slots__ = ("before", "cancelled_before", "clock", "ends_at", "has_expired", "paused_at", "task", "timer")

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.before = _current.get()
        self.clock = clock
        self.ends_at = clock() + min(seconds, inf if self.before is None else self.before.remaining)
        self.paused_at = 0.0
        self.has_expired = False
        self.timer: asyncio.TimerHandle | None = None

    @property
    def remaining(self) -> float:
        """Seconds; below 0 when it has passed, infinite when it was lifted."""
        return self.ends_at - self.clock()

    def __enter__(self) -> "Deadline":
        self.task = current_task()
        self.cancelled_before = self.task.cancelling()
        self.set_timer()
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.set(self.before)
        self.stop_timer()
        if not self.has_expired:
            return
        is_ours_alone = self.task.uncancel() <= self.cancelled_before
        if is_ours_alone and kind is asyncio.CancelledError:
            raise DeadlineExceeded from None

    def pause(self) -> None:
        """Something outside takes its time, which is limited elsewhere."""
        self.paused_at = self.clock()
        self.stop_timer()

    def resume(self) -> None:
        """Go on with what was left."""
        self.ends_at += self.clock() - self.paused_at
        self.set_timer()

    def lift(self) -> None:
        """There is no limit any more."""
        self.ends_at = inf
        self.stop_timer()

    def set_timer(self) -> None:
        if self.ends_at < inf and not self.has_expired:
            self.timer = asyncio.get_running_loop().call_later(max(self.remaining, 0.0), self.expire)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def expire(self) -> None:
        """From here on nothing takes the cancellation back."""
        self.has_expired = True
        self.timer = None
        self.task.cancel()


def current_task() -> asyncio.Task[object]:
    """Raises `RuntimeError` outside of any: there is nothing that could be cancelled."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("A deadline needs a task whose work it can end.")
    return task


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def remaining() -> float:
    """Seconds that are left for the work in this context; infinite without a deadline, below 0 when it has passed."""
    current = _current.get()
    return inf if current is None else current.remaining


def context_without_deadline() -> Context:
    """The present one, for work that others wait for as well, who may have more time."""
    context = copy_context()
    context.run(_current.set, None)
    return context


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
