"""An event loop in which waiting takes no time: when everybody waits, its clock jumps to whatever is due next."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class JumpingLoop(asyncio.SelectorEventLoop):
    """For code that waits by the loop's timers only. `time()` is its clock, for those that take one."""

    def __init__(self) -> None:
        self.now = 1_000.0
        super().__init__(JumpingSelector(self))

    def time(self) -> float:
        return self.now


class JumpingSelector(selectors.SelectSelector):
    """Told for how long to wait, it moves the clock instead."""

    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for something that will never come"
        self.loop.now += max(timeout, 0.0)
        return super().select(0)


def in_virtual_time(play: Callable[[Callable[[], float]], Awaitable[T]]) -> T:
    """What `play` returns; it is given the clock."""
    loop = JumpingLoop()

    async def whole() -> T:
        return await play(loop.time)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(whole())
