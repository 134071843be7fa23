"""Bytes as no client library would send them, and the answer as it comes."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

T = TypeVar("T")

WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class RawConnection:
    """One connection to the service."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Each piece by itself, as far as the other side still listens."""
        for piece in pieces:
            self.writer.write(piece)
            await in_time(self.writer.drain(), what="somebody who reads")

    async def send_for_ever(self, piece: bytes) -> None:
        """Raises `ConnectionError` when the other side listens no longer. Fails if it does so for long."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            await self.send(piece)
        raise AssertionError(f"After {WAIT_SECONDS:g} s it still listens.")

    async def status(self) -> int:
        """Of the next answer."""
        line = await in_time(self.reader.readline(), what="an answer")
        return int(line.split()[1])

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        return await in_time(self.reader.read(), what="the end of the connection")


@asynccontextmanager
async def raw_connection(url: httpx2.URL) -> AsyncIterator[RawConnection]:
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()


async def in_time(waiting: Coroutine[Any, Any, T], *, what: str) -> T:
    """Fails if it does not come."""
    try:
        return await asyncio.wait_for(waiting, WAIT_SECONDS)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {WAIT_SECONDS:g} s") from None


def head(method: str, path: str, *headers: str) -> bytes:
    """The beginning of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def chunked(pieces: Sequence[bytes]) -> list[bytes]:
    """A body in chunks, with its end."""
    return [*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece), b"0\r\n\r\n"]
