"""For how long the request being served has waited in queues, so that a limit can tell when they grow."""

from contextvars import ContextVar


class QueueingTime:
    """Of one request."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


_current: ContextVar[QueueingTime | None] = ContextVar("queueing_time", default=None)


def begin_queueing_time() -> QueueingTime:
    """Of the request that is served in this context from now on."""
    found = QueueingTime()
    _current.set(found)
    return found


def record_wait(seconds: float) -> None:
    """Somebody in this context waited for its turn. Outside of a request it says nothing to anybody."""
    if (current := _current.get()) is not None:
        current.seconds += seconds
