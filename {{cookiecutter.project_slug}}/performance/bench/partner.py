"""Somebody to call: answers every request alike, a little later. `python -m performance.bench.partner` on `PORT`."""

import asyncio
import os
from typing import cast

import uvloop
from httptools import HttpRequestParser

from performance.connection import HOST

# Long enough for all calls of a batch to be under way at the same time.
SECONDS = 0.005

BODY = b'{"cents":490,"currency":"EUR","carrier":"post","days":2}'
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: partner\r\nContent-Length: {}\r\n\r\n"
ANSWER = HEAD.format(len(BODY)).encode() + BODY


class Connection(asyncio.Protocol):
    """Reads requests to their ends, and looks at nothing in them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.parser = HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        asyncio.get_running_loop().call_later(SECONDS, self.transport.write, ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, HOST, int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
