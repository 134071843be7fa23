"""A server that answers nobody for a while, and then everybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import cast

from performance.connection import HOST, Target

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class SlowServer:
    """`answers_from` is when it begins to answer, by `perf_counter`."""

    def __init__(self, *, silent_seconds: float) -> None:
        self.be_silent(seconds=silent_seconds)
        self.connections: list[Connection] = []
        self.target = Target(0, "/")

    def be_silent(self, *, seconds: float) -> None:
        self.answers_from = perf_counter() + seconds

    def accept(self) -> "Connection":
        self.connections.append(Connection(self))
        return self.connections[-1]


class Connection(asyncio.Protocol):
    def __init__(self, server: SlowServer) -> None:
        self.server = server
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if (silent := self.server.answers_from - perf_counter()) > 0:
            # Again when it rings: timers may ring a little early.
            asyncio.get_running_loop().call_later(silent, self.data_received, data)
        else:
            self.transport.write(ANSWER)


@asynccontextmanager
async def slow_server(*, silent_seconds: float) -> AsyncIterator[SlowServer]:
    slow = SlowServer(silent_seconds=silent_seconds)
    server = await asyncio.get_running_loop().create_server(slow.accept, HOST, 0)
    async with server:
        slow.target = Target(server.sockets[0].getsockname()[1], "/")
        yield slow
        for connection in slow.connections:
            connection.transport.abort()
