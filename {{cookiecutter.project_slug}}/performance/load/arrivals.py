"""Requests that come at a rate, whether or not the earlier ones were answered: what an overload looks like."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from random import Random
from time import perf_counter

from performance.connection import NO_ANSWER, Answer, Connection, Target, connect

MOST_CONNECTIONS = 2000
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Phase:
    """So many requests a second, at random moments, for a while."""

    rate: float
    seconds: float


class Arrivals:
    """Sends each request over any connection that is free, and opens more as they are needed.

    When even `MOST_CONNECTIONS` are busy a request waits for one, and that counts as waiting for its answer.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.request = target.request
        self.free: list[Connection] = []
        self.connections: set[Connection] = set()
        self.opening: set[asyncio.Task[None]] = set()
        self.unsent: deque[float] = deque()
        self.answers: list[Answer] = []
        self.asked = 0

    async def ask(self, phases: Sequence[Phase]) -> list[list[Answer]]:
        """What was answered to the requests of each phase; those that nobody answers in time count as well."""
        began = perf_counter()
        for moment in moments(phases, began=began):
            if (delay := moment - perf_counter()) > 0:
                await asyncio.sleep(delay)
            self.ask_once(since=min(moment, perf_counter()))
        await self.wait_for_answers()
        return by_phase(self.answers, phases, began=began)

    def ask_once(self, *, since: float) -> None:
        self.asked += 1
        while self.free:
            connection = self.free.pop()
            if connection.is_open:
                connection.send(self.request, since=since)
                return
            self.connections.discard(connection)
        self.unsent.append(since)
        if len(self.connections) + len(self.opening) < MOST_CONNECTIONS:
            task = asyncio.create_task(self.open_another())
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    async def open_another(self) -> None:
        try:
            connection = await connect(self.target.port, self.take)
        except OSError:
            if self.unsent:
                since = self.unsent.popleft()
                self.answers.append(Answer(since, perf_counter() - since, NO_ANSWER, has_retry_after=False))
            return
        self.connections.add(connection)
        self.use(connection)

    def take(self, connection: Connection, answer: Answer) -> None:
        self.answers.append(answer)
        if connection.is_open:
            self.use(connection)
        else:
            self.connections.discard(connection)

    def use(self, connection: Connection) -> None:
        """For whoever waits the longest."""
        if self.unsent:
            connection.send(self.request, since=self.unsent.popleft())
        else:
            self.free.append(connection)

    async def wait_for_answers(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(self.answers) < self.asked:  # noqa: ASYNC110 - looked at a hundred times a second at most
                    await asyncio.sleep(0.01)
        waiting = [connection.since for connection in self.connections if connection.since is not None]
        for since in [*waiting, *self.unsent]:
            self.answers.append(Answer(since, PATIENCE_SECONDS, NO_ANSWER, has_retry_after=False))
        for connection in self.connections:
            connection.close()


def moments(phases: Sequence[Phase], *, began: float) -> Iterator[float]:
    """When each request is to be sent: the pauses are exponential, as between independent callers."""
    random = Random(len(phases))  # noqa: S311 - the same each time
    begin = began
    for phase in phases:
        moment = begin + random.expovariate(phase.rate)
        while moment < begin + phase.seconds:
            yield moment
            moment += random.expovariate(phase.rate)
        begin += phase.seconds


def by_phase(answers: Sequence[Answer], phases: Sequence[Phase], *, began: float) -> list[list[Answer]]:
    ends = list(accumulate((phase.seconds for phase in phases), initial=began))
    return [[answer for answer in answers if begin <= answer.since < end] for begin, end in pairwise(ends)]
