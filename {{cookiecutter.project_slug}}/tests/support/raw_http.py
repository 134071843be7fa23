"""Bytes as no client library would send them, and the answer as it comes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

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
            await asyncio.wait_for(self.writer.drain(), WAIT_SECONDS)

    async def send_for_ever(self, piece: bytes) -> None:
        """Raises `ConnectionError` when the other side listens no longer."""
        while True:
            await self.send(piece)

    async def status(self) -> int:
        """Of the next answer."""
        line = await asyncio.wait_for(self.reader.readline(), WAIT_SECONDS)
        return int(line.split()[1])

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        return await asyncio.wait_for(self.reader.read(), WAIT_SECONDS)


@asynccontextmanager
async def raw_connection(url: httpx2.URL) -> AsyncIterator[RawConnection]:
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()


def head(method: str, path: str, *headers: str) -> bytes:
    """The beginning of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def chunked(pieces: Sequence[bytes]) -> list[bytes]:
    """A body in chunks, with its end."""
    return [*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece), b"0\r\n\r\n"]
