"""The client: one keep-alive connection. A library would cost more than what it measures."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, cast

from httptools import HttpParserError, HttpResponseParser

HOST = "127.0.0.1"

# In place of a status, when the connection ends before the answer does.
NO_ANSWER = 0


class Answer(NamedTuple):
    """What became of one request. Times are seconds; `since` is when it was to be sent, whenever it really was."""

    since: float
    seconds: float
    status: int
    has_retry_after: bool


@dataclass(frozen=True)
class Target:
    """What is asked: always on this machine."""

    port: int
    path: str
    key: str | None = None

    @property
    def request(self) -> bytes:
        """With the headers that HTTP libraries send."""
        lines = [f"GET {self.path} HTTP/1.1", f"Host: {HOST}:{self.port}", "Accept: */*"]
        lines += ["Accept-Encoding: gzip, deflate", "Connection: keep-alive", "User-Agent: performance"]
        if self.key:
            lines.append(f"Authorization: Bearer {self.key}")
        return "\r\n".join([*lines, "", ""]).encode()


class Connection(asyncio.Protocol):
    """Sends a request at a time, and hands its answer to `on_answer`; whoever is told may send the next at once."""

    def __init__(self, on_answer: Callable[["Connection", Answer], None]) -> None:
        self.on_answer = on_answer
        self.parser = HttpResponseParser(self)
        self.transport: asyncio.Transport | None = None
        self.since: float | None = None
        self.has_retry_after = False

    def send(self, request: bytes, *, since: float) -> None:
        """One that was to be sent at this time, by `perf_counter`: uvloop's own clock counts whole milliseconds."""
        self.since = since
        self.has_retry_after = False
        if self.is_open and self.transport:
            self.transport.write(request)
        else:
            self.finish(NO_ANSWER)

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def close(self) -> None:
        """Without an answer to whatever is in flight."""
        self.since = None
        if self.transport:
            self.transport.close()

    def finish(self, status: int) -> None:
        if self.since is None:
            return  # closed by us, or by a server that nobody had asked anything
        since, self.since = self.since, None
        self.on_answer(self, Answer(since, perf_counter() - since, status, self.has_retry_after))

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except HttpParserError:
            if self.transport:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.finish(NO_ANSWER)

    # Called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002 - the parser's signature
        if len(name) == len(b"retry-after") and name.lower() == b"retry-after":
            self.has_retry_after = True

    def on_message_complete(self) -> None:
        if not self.parser.should_keep_alive() and self.transport:
            self.transport.close()
        self.finish(self.parser.get_status_code())


async def connect(port: int, on_answer: Callable[[Connection, Answer], None]) -> Connection:
    """A connection that is open. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(on_answer), HOST, port)
    return connection
