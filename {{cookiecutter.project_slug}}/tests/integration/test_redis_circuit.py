"""A Redis that is dead or frozen is waited for a few times, and then not at all until it is back."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Request
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError, ResponseError
from structlog.testing import capture_logs

from app.cache.guarded_redis import GuardedRedis, open_guarded_redis
from app.core.errors import Unavailable
from app.resilience.circuit_breaker import CircuitState
from app.security.public import public
from tests.support.metrics import scrape
from tests.support.outages import BreakableValkey
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually, until

TIMEOUT_SECONDS = 0.3

# More than Redis needs on a busy machine, and less than a time-out.
NOTHING_SECONDS = 0.1

router = APIRouter(prefix="/v1/notes", tags=["notes"])


@router.get("", summary="Read a note")
@public
async def read_note(request: Request) -> str:
    """What Redis says, or that it says nothing, as a cache would do."""
    redis: GuardedRedis = request.state.resources.redis
    try:
        await redis.get("note")
    except (RedisError, Unavailable):
        return "without Redis"
    return "with Redis"


class Notes:
    """A service with that route and a Redis of its own."""

    def __init__(self, service: RunningService) -> None:
        self.service = service

    async def read(self) -> tuple[str, float]:
        """What it answered, and in how many seconds."""
        began = time.monotonic()
        answer = await self.service.client.get("/v1/notes")
        assert answer.status_code == 200
        return answer.json(), time.monotonic() - began

    async def answers(self, wanted: str) -> bool:
        return (await self.read())[0] == wanted

    async def circuit(self, state: CircuitState) -> bool:
        return (await scrape(self.service.management)).value("circuit_state", circuit="redis", state=state) == 1


@pytest.fixture
async def notes(database_url: str, valkey: BreakableValkey) -> AsyncIterator[Notes]:
    settings = settings_for(database_url=database_url, redis_url=valkey.url, redis={"timeout_seconds": TIMEOUT_SECONDS})
    async with run_service(settings, routers=[router]) as service:
        found = Notes(service)
        await eventually(lambda: found.answers("with Redis"))
        yield found


@pytest.fixture
async def redis(valkey: BreakableValkey) -> AsyncIterator[GuardedRedis]:
    client = open_guarded_redis(valkey.url, timeout_seconds=TIMEOUT_SECONDS, max_connections=4)
    await client.set("note", "1")
    yield client
    await client.aclose()


async def ask_until_it_opens(redis: GuardedRedis) -> None:
    """It fails at once: the server is dead, not frozen."""
    for _ in range(10):
        if redis.circuit.state is CircuitState.CLOSED:
            with pytest.raises(RedisError):
                await redis.get("note")
    assert redis.circuit.state is CircuitState.OPEN


async def test_once_its_circuit_is_open_nobody_waits_for_a_frozen_redis(notes: Notes, valkey: BreakableValkey) -> None:
    with capture_logs() as lines:
        valkey.freeze()
        paid = [await notes.read() for _ in range(3)]
        meanwhile = [await notes.read() for _ in range(20)]
        was_open = await notes.circuit(CircuitState.OPEN)
        valkey.thaw()
        began = time.monotonic()
        await eventually(lambda: notes.answers("with Redis"))
        recovered_in = time.monotonic() - began

    told = [line["event"] for line in lines if line.get("circuit") == "redis"]
    assert {answer for answer, _seconds in paid + meanwhile} == {"without Redis"}
    # Sorted: what the machine does besides may delay two of them, but a time-out would delay all.
    assert sorted(seconds for _answer, seconds in meanwhile)[-3] < NOTHING_SECONDS, meanwhile
    assert was_open
    assert await notes.circuit(CircuitState.CLOSED)
    assert told == ["circuit_opened", "circuit_half_open", "circuit_closed"]
    assert recovered_in < 5


async def test_a_dead_redis_is_found_again_when_it_is_back(notes: Notes, valkey: BreakableValkey) -> None:
    await asyncio.to_thread(valkey.kill)
    meanwhile = [await notes.read() for _ in range(20)]
    was_open = await notes.circuit(CircuitState.OPEN)
    await asyncio.to_thread(valkey.start)
    await eventually(lambda: notes.answers("with Redis"))

    assert {answer for answer, _seconds in meanwhile} == {"without Redis"}
    assert was_open


async def test_health_says_the_truth_although_the_circuit_is_open(
    notes: Notes, valkey: BreakableValkey, no_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cache.guarded_redis.PROBE_SECONDS", 3600)
    await asyncio.to_thread(valkey.kill)
    for _ in range(5):
        await notes.read()
    during = (await notes.service.client.get("/health/ready")).json()["status"]
    await asyncio.to_thread(valkey.start)
    after = (await notes.service.client.get("/health/ready")).json()["status"]

    assert (during, after) == ("degraded", "pass")
    assert await notes.circuit(CircuitState.OPEN)


async def test_a_refusal_of_redis_is_an_answer(redis: GuardedRedis) -> None:
    for _ in range(10):
        with pytest.raises(ResponseError):
            await redis.lpush("note", "2")

    assert redis.circuit.state is CircuitState.CLOSED


async def test_callers_who_give_up_early_do_not_open_it(redis: GuardedRedis, valkey: BreakableValkey) -> None:
    valkey.freeze()
    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await redis.get("note")

    assert redis.circuit.state is CircuitState.CLOSED


async def test_a_stall_of_our_own_is_no_slowness_of_redis(valkey: BreakableValkey) -> None:
    async with open_guarded_redis(valkey.url, timeout_seconds=2, max_connections=8) as redis:
        await asyncio.gather(*(redis.get("note") for _ in range(8)))
        under_way = asyncio.gather(*(redis.get("note") for _ in range(8)))
        await asyncio.sleep(0)
        time.sleep(1.2)  # noqa: ASYNC251 - the stall: more than half of the time-out

        await under_way

        assert redis.circuit.state is CircuitState.CLOSED


async def test_waiting_for_our_own_connections_is_no_failure_of_redis(redis: GuardedRedis) -> None:
    take = redis.connection_pool.get_connection
    held = [await take() for _ in range(4)]  # type: ignore[no-untyped-call] # redis leaves it untyped

    outcomes = await asyncio.gather(*(redis.get("note") for _ in range(10)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {ConnectionLost}
    assert redis.circuit.state is CircuitState.CLOSED
    for connection in held:
        await redis.connection_pool.release(connection)
    assert await redis.get("note") == b"1"


async def test_it_stops_looking_when_it_is_closed(redis: GuardedRedis, valkey: BreakableValkey) -> None:
    await asyncio.to_thread(valkey.kill)
    await ask_until_it_opens(redis)
    looking = redis.returning
    assert looking
    assert not looking.done()

    await redis.aclose()

    assert looking.cancelled()


async def test_it_looks_for_each_return(redis: GuardedRedis, valkey: BreakableValkey) -> None:
    for _ in range(2):
        await asyncio.to_thread(valkey.kill)
        await ask_until_it_opens(redis)
        await asyncio.to_thread(valkey.start)
        await until(lambda: redis.circuit.state is CircuitState.CLOSED)

        assert await redis.set("note", "1")
