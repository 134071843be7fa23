"""Looking names up, with name servers that say nothing."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.clients.checked_resolver import CheckedResolver
from app.clients.lookups import MOST_AT_ONCE
from app.clients.ssrf_guard import UrlRules

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 443))]


class NameServer:
    """Instead of the system's: it says nothing of silent names until it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_speaking = threading.Event()

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("silent"):
            self.is_speaking.wait(timeout=20)
        if host.startswith("nobody"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return FOUND


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.is_speaking.set()


@pytest.fixture
async def resolver(server: NameServer) -> CheckedResolver:
    return CheckedResolver(UrlRules())


async def try_for_a_moment(resolver: CheckedResolver, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await resolver.resolve(host, 443)


async def test_silent_name_servers_hold_up_nothing_else(resolver: CheckedResolver, server: NameServer) -> None:
    await asyncio.gather(*(try_for_a_moment(resolver, f"silent{number}.example") for number in range(20)))

    async with asyncio.timeout(5):
        [found] = await resolver.resolve("receiver.example", 443)
        await asyncio.to_thread(len, "what others do in threads")

    assert (found["hostname"], found["host"], found["port"]) == ("receiver.example", "1.1.1.1", 443)


async def test_a_silent_name_takes_one_thread_however_often_it_is_asked_for(
    resolver: CheckedResolver, server: NameServer
) -> None:
    for _ in range(3):
        await try_for_a_moment(resolver, "silent.example")
    waiting = asyncio.create_task(resolver.resolve("silent.example", 443))
    server.is_speaking.set()

    [found] = await waiting
    assert found["host"] == "1.1.1.1"
    assert server.asked == ["silent.example"]


async def test_a_name_is_looked_up_anew_each_time(resolver: CheckedResolver, server: NameServer) -> None:
    """The receiver may have moved."""
    for _ in range(2):
        await resolver.resolve("receiver.example", 443)

    assert server.asked == 2 * ["receiver.example"]


async def test_more_names_at_once_are_refused_and_not_queued(resolver: CheckedResolver, server: NameServer) -> None:
    names = [f"silent{number}.example" for number in range(MOST_AT_ONCE)]
    await asyncio.gather(*(try_for_a_moment(resolver, name) for name in names))

    with pytest.raises(OSError, match="too many names"):
        await resolver.resolve("receiver.example", 443)
    server.is_speaking.set()
    await asyncio.gather(*(resolver.resolve(name, 443) for name in names))

    assert await resolver.resolve("receiver.example", 443)


async def test_a_name_that_nobody_knows_is_an_error_of_the_network(
    resolver: CheckedResolver, server: NameServer
) -> None:
    with pytest.raises(OSError, match="not known"):
        await resolver.resolve("nobody.example", 443)
