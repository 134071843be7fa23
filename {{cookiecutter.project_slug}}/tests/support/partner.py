"""A partner that misbehaves as it is told: one small HTTP/1.1 server.

In a test's own process:

    async with open_partner() as partner:
        partner.behave(status=503, headers={"Retry-After": "2"})     # whatever is asked
        partner.behave("/quotes", fault="reset", every=2)            # every second request of one path
        ...
        partner.recover()
        assert [request.path for request in partner.requests] == [...]

Or as a process of its own, `python -m tests.support.partner PORT`, told the same over HTTP (`partner_process.py`):

    PUT /_control/behaviour {"path": "/quotes", "fault": "hang"}
    DELETE /_control/behaviour · GET /_control/requests · DELETE /_control/requests
"""

import asyncio
import gzip
import json
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.support.ports import free_ports

CONTROL = "/_control/"

Fault = Literal[
    "garbage",  # something that is no HTTP
    "half",  # half of the body that was announced, then the end
    "too_long",  # more than was announced, on a connection that stays open
    "too_long_later",  # the same, but what is too much not before `release`
    "reset",  # the connection is reset before any answer
    "reset_midway",  # after half of the body
    "hang",  # never an answer
    "held",  # a good answer, but not before `release`
    "endless_head",  # headers without end
    "endless",  # a body without end
    "trickle",  # a byte of the body now and then, without end
    "gzip_bomb",  # little on the wire, 100 MB unpacked
    "closes",  # a good answer that promises to keep the connection, which is closed
]

PIECE = b"x" * 65_536
SURPLUS = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"forged"'
TRICKLE_SECONDS = 0.05
BOMB_BYTES = 100_000_000

KEEP_THEIR_CONNECTION = {"too_long", "too_long_later", "held"}


class Behaviour(BaseModel):
    """What is done with a request: first the delay, then the fault, or else the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int = 200
    body: Any = {"ok": True}  # Any: sent as JSON, text as it is
    headers: dict[str, str] = {}
    delay_seconds: float = 0.0
    fault: Fault | None = None
    # Which requests it is for; the others get a good answer.
    every: int = 1
    share: float = 1.0

    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


GOOD = Behaviour()

# Decides for each request, where data are not enough; in a test's own process only.
Script = Callable[["Seen"], Behaviour]


@dataclass(frozen=True)
class Seen:
    """A request that arrived. Names of headers are in lower case; `at` is the monotonic clock's time."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    at: float
    in_flight: int


# How a process of its own tells what it has seen; bytes travel as text.
SEEN = TypeAdapter(list[Seen])


@dataclass
class Partner:
    """What it was told, and what it was asked."""

    port: int
    scripts: dict[str | None, Script] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    in_flight: int = 0
    connections: int = 0
    is_released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def most_in_flight(self) -> int:
        """How many requests were there at the same time, at most."""
        return max((request.in_flight for request in self.requests), default=0)

    def behave(self, path: str | None = None, **behaviour: Any) -> None:
        """From now on, for one path or for all that have no behaviour of their own."""
        self.scripts[path] = by_turns(Behaviour(**behaviour))

    def follow(self, script: Script, path: str | None = None) -> None:
        """The same, but a function decides."""
        self.scripts[path] = script

    def release(self) -> None:
        """Answer those that are held, and all that would be."""
        self.is_released.set()

    def recover(self) -> None:
        """Forget all behaviours: everything gets a good answer."""
        self.scripts.clear()

    def behaviour_for(self, request: Seen) -> Behaviour:
        script = self.scripts.get(request.path) or self.scripts.get(None)
        return script(request) if script else GOOD

    def asked(self, path: str) -> list[Seen]:
        """The requests for one path."""
        return [request for request in self.requests if request.path == path]


def by_turns(behaviour: Behaviour) -> Script:
    """So behaves every n-th request, or so large a share of them."""
    count = 0
    chance = random.Random(0)  # noqa: S311 - the same in each run

    def decide(_request: Seen) -> Behaviour:
        nonlocal count
        count += 1
        return behaviour if count % behaviour.every == 0 and chance.random() < behaviour.share else GOOD

    return decide


@asynccontextmanager
async def open_partner(port: int | None = None) -> AsyncIterator[Partner]:
    """Listening until the end of the block; then whatever is under way is cut off."""
    partner = Partner(port or free_ports(1)[0])
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        partner.connections += 1
        task = asyncio.create_task(Connection(partner, reader, writer).serve())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", partner.port, backlog=1024)
    try:
        yield partner
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Connection:
    """One connection, and the requests that come over it."""

    partner: Partner
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def serve(self) -> None:
        """Until one of the two has had enough."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self.serve_one():
                    pass
        finally:
            self.writer.close()

    async def serve_one(self) -> bool:
        """Whether the connection can be used for another request."""
        method, target, headers = parse_head(await self.reader.readuntil(b"\r\n\r\n"))
        body = await self.read_body(headers)
        url = urlsplit(target)
        if url.path.startswith(CONTROL):
            await self.send(obey(self.partner, method, url.path.removeprefix(CONTROL), body))
            return True
        self.partner.in_flight += 1
        try:
            request = Seen(method, url.path, url.query, headers, body, time.monotonic(), self.partner.in_flight)
            self.partner.requests.append(request)
            return await self.act(self.partner.behaviour_for(request))
        finally:
            self.partner.in_flight -= 1

    async def read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(headers.get("content-length", 0)))
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body

    async def act(self, behaviour: Behaviour) -> bool:
        await asyncio.sleep(behaviour.delay_seconds)
        if behaviour.fault is None:
            await self.send(behaviour)
            return True
        await FAULTS[behaviour.fault](self, behaviour)
        return behaviour.fault in KEEP_THEIR_CONNECTION

    async def send(self, behaviour: Behaviour) -> None:
        content = behaviour.content()
        await self.write(head_of(behaviour, **{"Content-Length": str(len(content))}) + content)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    # The faults.

    async def garbage(self, _behaviour: Behaviour) -> None:
        await self.write(b"\x00\x01 what is HTTP? \xff\r\n\r\n")

    async def half(self, behaviour: Behaviour) -> None:
        content = behaviour.content()
        length = str(len(content))
        await self.write(head_of(behaviour, **{"Content-Length": length}) + content[: len(content) // 2])

    async def too_long(self, behaviour: Behaviour) -> None:
        content = behaviour.content()
        await self.write(head_of(behaviour, **{"Content-Length": str(len(content))}) + content + SURPLUS)

    async def too_long_later(self, behaviour: Behaviour) -> None:
        await self.send(behaviour)
        await self.partner.is_released.wait()
        await self.write(SURPLUS)

    async def reset(self, _behaviour: Behaviour) -> None:
        linger = struct.pack("ii", 1, 0)  # for no time: closing it resets it
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def reset_midway(self, behaviour: Behaviour) -> None:
        await self.half(behaviour)
        await self.reset(behaviour)

    async def hang(self, _behaviour: Behaviour) -> None:
        await self.reader.read()  # until the other side gives up

    async def held(self, behaviour: Behaviour) -> None:
        await self.partner.is_released.wait()
        await self.send(behaviour)

    async def endless_head(self, _behaviour: Behaviour) -> None:
        await self.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            await self.write(b"X-More: " + PIECE[:1000] + b"\r\n")

    async def endless(self, behaviour: Behaviour) -> None:
        await self.write(head_of(behaviour, **{"Transfer-Encoding": "chunked"}))
        while True:
            await self.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))

    async def trickle(self, behaviour: Behaviour) -> None:
        await self.write(head_of(behaviour, **{"Transfer-Encoding": "chunked"}))
        while True:
            await self.write(b"1\r\nx\r\n")
            await asyncio.sleep(TRICKLE_SECONDS)

    async def gzip_bomb(self, behaviour: Behaviour) -> None:
        length = {"Content-Length": str(len(bomb())), "Content-Encoding": "gzip"}
        await self.write(head_of(behaviour, **length) + bomb())

    async def closes(self, behaviour: Behaviour) -> None:
        await self.send(behaviour)


FAULTS: dict[str, Callable[[Connection, Behaviour], Awaitable[None]]] = {
    name: getattr(Connection, name)
    for name in Fault.__args__  # type: ignore[attr-defined] # Literal has it
}


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(BOMB_BYTES), compresslevel=1)


def parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _version = first.split(" ")
    return method, target, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def head_of(behaviour: Behaviour, **more: str) -> bytes:
    headers = {"Content-Type": "application/json", **behaviour.headers, **more}
    lines = [f"HTTP/1.1 {behaviour.status} {HTTPStatus(behaviour.status).phrase}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def obey(partner: Partner, method: str, what: str, body: bytes) -> Behaviour:
    """Do what the control path was asked for."""
    match method, what:
        case "PUT", "behaviour":
            partner.behave(**json.loads(body))
        case "DELETE", "behaviour":
            partner.recover()
        case "GET", "requests":
            return Behaviour(body=SEEN.dump_json(partner.requests).decode())
        case "DELETE", "requests":
            partner.requests.clear()
        case _:
            return Behaviour(status=404)
    return GOOD


async def main() -> None:
    """Until a signal."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with open_partner(int(sys.argv[1])):
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
