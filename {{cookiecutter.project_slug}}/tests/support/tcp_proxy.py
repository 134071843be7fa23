"""A TCP proxy that is as bad as a network can be: slow, narrow, lossy, silent, refusing, cutting off.

It runs in a thread with an event loop of its own, so a test that blocks does not hold it up.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.ports import free_ports

# What is behind it: a unix socket, or a port of this machine.
Target = Path | int

PIECE_BYTES = 65_536
END_SECONDS = 10.0

# What a lost packet costs: Linux sends it again after 200 ms at the soonest (TCP_RTO_MIN).
RETRANSMISSION_SECONDS = 0.2

# Close with a reset, and forget what was not sent: `struct linger` with 0 seconds.
RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """Passes bytes on in both directions, under conditions that may be changed at any time.

    - `latency_seconds` delays each piece, before the next is read: right for questions and answers;
    - `bytes_per_second` is what each direction of a connection carries; 0 means everything;
    - `loss` is the share of pieces that are late by a retransmission.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        [self.port] = free_ports(1)
        self.latency_seconds = 0.0
        self.bytes_per_second = 0.0
        self.loss = 0.0
        self.chance = random.Random(7)  # noqa: S311 - the same losses in every run
        self.ends: set[asyncio.StreamWriter] = set()
        self.loop: asyncio.AbstractEventLoop
        self.listener: asyncio.Server
        self.speaks: asyncio.Event
        self.is_over: asyncio.Event

    def silence(self) -> None:
        """Nothing passes and nobody is told: as when a cable is cut, or a firewall drops packets."""
        self.loop.call_soon_threadsafe(self.speaks.clear)

    def speak(self) -> None:
        """What was held back passes now, as TCP sends it again."""
        self.loop.call_soon_threadsafe(self.speaks.set)

    def refuse(self) -> None:
        """Nobody listens; connections that stand go on."""
        self.run(self.stop_listening)

    def accept(self) -> None:
        """Somebody listens again."""
        self.run(self.listen)

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        self.run(self.reset_all)

    def run(self, operation: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(operation(), self.loop).result(END_SECONDS)

    async def serve(self, has_begun: threading.Event) -> None:
        """Until it is over."""
        self.loop = asyncio.get_running_loop()
        self.speaks, self.is_over = asyncio.Event(), asyncio.Event()
        self.speaks.set()
        await self.listen()
        has_begun.set()
        await self.is_over.wait()
        await self.stop_listening()
        await self.reset_all()

    async def listen(self) -> None:
        self.listener = await asyncio.start_server(self.connect_through, "127.0.0.1", self.port)

    async def stop_listening(self) -> None:
        self.listener.close()

    async def reset_all(self) -> None:
        for writer in tuple(self.ends):
            reset(writer)

    async def connect_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one side ends it: then the other sees the end too."""
        try:
            answers, back = await connect_to(self.target)
        except OSError:
            reset(writer)
            return
        self.ends |= {writer, back}
        ways = [asyncio.create_task(self.pass_on(reader, back)), asyncio.create_task(self.pass_on(answers, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self.ends -= {writer, back}
            writer.close()
            back.close()

    async def pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(PIECE_BYTES):
                await self.travel(len(piece))
                sink.write(piece)
                await sink.drain()
        except ConnectionError:
            return

    async def travel(self, size: int) -> None:
        """As long as so many bytes take under the present conditions."""
        seconds = self.latency_seconds
        if self.bytes_per_second:
            seconds += size / self.bytes_per_second
        if self.chance.random() < self.loss:
            seconds += RETRANSMISSION_SECONDS
        if seconds:
            await asyncio.sleep(seconds)
        await self.speaks.wait()


async def connect_to(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(target, Path):
        return await asyncio.open_unix_connection(target)
    return await asyncio.open_connection("127.0.0.1", target)


def reset(writer: asyncio.StreamWriter) -> None:
    end = writer.get_extra_info("socket")
    if end.family != socket.AF_UNIX:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


@contextmanager
def tcp_proxy(target: Target) -> Iterator[TcpProxy]:
    """In front of a server, until the end of the block."""
    proxy = TcpProxy(target)
    has_begun = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(has_begun)), daemon=True)
    thread.start()
    assert has_begun.wait(END_SECONDS), "the proxy did not begin"
    try:
        yield proxy
    finally:
        proxy.loop.call_soon_threadsafe(proxy.is_over.set)
        thread.join(END_SECONDS)
        assert not thread.is_alive(), "the proxy did not end"
