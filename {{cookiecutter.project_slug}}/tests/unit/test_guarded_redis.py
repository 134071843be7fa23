"""What the event loop says of a connection is told in the words of Redis' library."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from app.cache.guarded_redis import open_guarded_redis
from app.resilience.circuit_breaker import CircuitState


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
