"""Users: each thinks, asks, waits for the answer, and thinks again.

Thinking takes an exponentially distributed time, so 1000 users who think for a second make 1000 requests a second that
come at random, as people's do. What a user waits is counted from when the thinking ended: an answer that comes late
because the request was sent late is late.
"""

import asyncio
import contextlib
from random import Random
from time import perf_counter

from performance.connection import NO_ANSWER, Answer, Connection, Target, connect

# Few enough for a service that is not under load yet; and a connection on which nobody asks anything is soon closed.
TOGETHER = 50
PATIENCE_SECONDS = 10.0


class Users:
    """So many of them, each with a connection that stays open."""

    def __init__(self, target: Target, *, count: int, think_seconds: float) -> None:
        self.target = target
        self.request = target.request
        self.think_seconds = think_seconds
        self.random = Random(count)  # noqa: S311 - the same users each time
        self.users = [User(self) for _ in range(count)]
        self.answers: list[Answer] = []
        self.is_over = False
        self.tasks: set[asyncio.Task[None]] = set()

    async def arrive(self) -> None:
        """Each opens a connection and asks once, a few at a time; then they begin to think."""
        for first in range(0, len(self.users), TOGETHER):
            together = self.users[first : first + TOGETHER]
            await asyncio.gather(*(user.connect() for user in together))
            for user in together:
                user.ask_now()
            await self.wait_for_requests_before(perf_counter())

    async def ask_for(self, seconds: float) -> list[Answer]:
        """The answers to what is asked from now on for so long; one that does not come in time counts as none."""
        begin = perf_counter()
        self.answers = []
        await asyncio.sleep(seconds)
        end = perf_counter()
        late = await self.wait_for_requests_before(end)
        none = [Answer(user.asked_at, PATIENCE_SECONDS, NO_ANSWER, has_retry_after=False) for user in late]
        return [answer for answer in self.answers if begin <= answer.since < end] + none

    async def wait_for_requests_before(self, end: float) -> list["User"]:
        """Those users who still wait after `PATIENCE_SECONDS`."""
        deadline = perf_counter() + PATIENCE_SECONDS
        while True:
            late = [user for user in self.users if user.is_waiting and user.asked_at < end]
            if not late or perf_counter() > deadline:
                return late
            await asyncio.sleep(0.01)

    def leave(self) -> None:
        """Nobody asks any more."""
        self.is_over = True
        for user in self.users:
            user.leave()


class User:
    """One of them."""

    def __init__(self, crowd: Users) -> None:
        self.crowd = crowd
        self.connection: Connection | None = None
        self.asked_at = 0.0
        self.is_waiting = False

    async def connect(self) -> None:
        with contextlib.suppress(OSError):
            self.connection = await connect(self.crowd.target.port, self.take)

    def think(self) -> None:
        seconds = self.crowd.random.expovariate(1 / self.crowd.think_seconds)
        self.asked_at = perf_counter() + seconds
        asyncio.get_running_loop().call_later(seconds, self.ask)

    def ask_now(self) -> None:
        self.asked_at = perf_counter()
        self.ask()

    def ask(self) -> None:
        if self.crowd.is_over:
            return
        self.is_waiting = True
        # The loop's timers are right to a millisecond: what is sent early is counted from then.
        self.asked_at = min(self.asked_at, perf_counter())
        if self.connection and self.connection.is_open:
            self.connection.send(self.crowd.request, since=self.asked_at)
        else:
            self.ask_anew()

    def ask_anew(self) -> None:
        """The server has closed the connection meanwhile, as it may: opening another is part of the waiting."""
        task = asyncio.create_task(self.connect_and_ask())
        self.crowd.tasks.add(task)
        task.add_done_callback(self.crowd.tasks.discard)

    async def connect_and_ask(self) -> None:
        await self.connect()
        if self.connection and self.connection.is_open:
            self.connection.send(self.crowd.request, since=self.asked_at)
        else:
            self.take(None, Answer(self.asked_at, perf_counter() - self.asked_at, NO_ANSWER, has_retry_after=False))

    def take(self, _connection: Connection | None, answer: Answer) -> None:
        self.is_waiting = False
        self.crowd.answers.append(answer)
        self.think()

    def leave(self) -> None:
        if self.connection:
            self.connection.close()
