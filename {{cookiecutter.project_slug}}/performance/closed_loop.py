"""So many connections, each asking again as soon as it is answered: shows capacity, never what users would wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from performance.connection import Answer, Connection, Target, connect

PATIENCE_SECONDS = 30.0


class ClosedLoop:
    """The connections stay open between runs."""

    def __init__(self, target: Target) -> None:
        self.request = target.request
        self.connections: list[Connection] = []
        self.answers: list[Answer] = []
        self.ends_at = 0.0
        self.in_flight = 0
        self.is_quiet = asyncio.Event()

    async def run(self, seconds: float) -> list[Answer]:
        """Ask for so long, then wait for the last answers. Raises `TimeoutError` if they do not come."""
        now = perf_counter()
        self.answers, self.ends_at, self.in_flight = [], now + seconds, len(self.connections)
        self.is_quiet.clear()
        for connection in self.connections:
            connection.send(self.request, since=now)
        async with asyncio.timeout(seconds + PATIENCE_SECONDS):
            await self.is_quiet.wait()
        return self.answers

    def go_on(self, connection: Connection, answer: Answer) -> None:
        """Ask again, as long as there is time and the connection is open."""
        self.answers.append(answer)
        now = answer.since + answer.seconds
        if now < self.ends_at and connection.is_open:
            connection.send(self.request, since=now)
            return
        self.in_flight -= 1
        if not self.in_flight:
            self.is_quiet.set()


@asynccontextmanager
async def closed_loop(target: Target, *, connections: int) -> AsyncIterator[ClosedLoop]:
    """Ready to ask."""
    loop = ClosedLoop(target)
    try:
        for _ in range(connections):
            loop.connections.append(await connect(target.port, loop.go_on))
        yield loop
    finally:
        for connection in loop.connections:
            connection.close()
