"""Looks names up in threads of its own.

The system's look-up blocks a thread until the name server answers, which a silent one makes ten seconds and more, and
nobody can give it up. In the threads that the whole process shares, a few such names would hold up everything else
that is done there: the names of partners, compression, reconnecting.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

# How many names; each costs a thread, which waits. Beyond, something is wrong, or somebody wants it to be.
MOST_AT_ONCE = 32

Wanted = tuple[str, int, socket.AddressFamily]

# What `getaddrinfo` finds for each address: family, type, protocol, name, and the socket's address.
Found = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]  # Any: each family has its own


class Lookups(AbstractResolver):
    """One look-up of a name at a time: who asks for it meanwhile waits for the same. Nothing is remembered."""

    def __init__(self) -> None:
        self.running: dict[Wanted, asyncio.Future[Found]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises `OSError`."""
        wanted = host, port, family
        # Shielded, for whoever gives up does not end it, and others may wait for it.
        found = await asyncio.shield(self.running.get(wanted) or self.begin(wanted))
        return [
            ResolveResult(
                hostname=host, host=address[0], port=port, family=family, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for family, _type, proto, _name, address in found
        ]

    def begin(self, wanted: Wanted) -> asyncio.Future[Found]:
        if len(self.running) >= MOST_AT_ONCE:
            raise OSError("too many names are being looked up")
        found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        # A daemon: the process ends without waiting for it.
        Thread(target=look_up, args=(wanted, found), name="look-up", daemon=True).start()
        self.running[wanted] = found
        found.add_done_callback(lambda _: self.running.pop(wanted))
        return found

    async def close(self) -> None:
        """Nothing: what is under way nobody can end."""


def look_up(wanted: Wanted, found: asyncio.Future[Found]) -> None:
    """In a thread of its own."""
    host, port, family = wanted
    try:
        addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        tell = partial(found.set_result, addresses)
    except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
        tell = partial(found.set_exception, error)
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        found.get_loop().call_soon_threadsafe(tell)
