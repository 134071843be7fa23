"""A Redis whose connections break, or that talks nonsense."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from app.cache.guarded_redis import open_guarded_redis
from app.resilience.circuit_breaker import CircuitState
from tests.support.waiting import until


async def test_a_connection_that_is_cut_while_it_is_written_to_is_lost_and_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def write(*_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    monkeypatch.setattr(Redis, "execute_command", write)
    redis = open_guarded_redis("redis://127.0.0.1:1/0", timeout_seconds=0.5, max_connections=1)

    for _ in range(3):
        with pytest.raises(ConnectionLost, match="the handler is closed"):
            await redis.get("anything")

    assert redis.circuit.state is CircuitState.OPEN
    await redis.aclose()


@dataclass
class Babbler:
    """Answers each command with the same; with nothing, it ends the connection."""

    answer: bytes = b""
    commands: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while self.answer and (data := await reader.read(65_536)):
                self.commands += data.count(b"*")
                writer.write(self.answer * data.count(b"*"))
        writer.close()


@pytest.mark.parametrize("nonsense", [b":abc\r\n", b"*1\r\n" * 20_000], ids=["no number", "endlessly nested"])
async def test_whatever_it_answers_it_is_asked_again(nonsense: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cache.guarded_redis.PROBE_SECONDS", 0.01)
    babbler = Babbler()
    server = await asyncio.start_server(babbler.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        redis = open_guarded_redis(f"redis://127.0.0.1:{port}/0?protocol=2", timeout_seconds=2, max_connections=1)
        for _ in range(3):
            with pytest.raises(ConnectionLost):
                await redis.get("anything")
        assert redis.circuit.state is CircuitState.OPEN

        babbler.answer = nonsense
        await until(lambda: babbler.commands > 3)
        babbler.answer = b"+PONG\r\n"
        await until(lambda: redis.circuit.state is CircuitState.CLOSED)

        await redis.aclose()
