"""Redis comes and goes; the service stays."""

import asyncio
import time
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app.cache.redis import open_redis, ping
from tests.support.outages import BreakableValkey
from tests.support.ports import free_ports
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually

TIMEOUT_SECONDS = 0.2


@pytest.mark.parametrize("scheme", ["unix", "redis"])
async def test_both_kinds_of_address_work(tmp_path: Path, scheme: str) -> None:
    server = BreakableValkey(tmp_path, port=free_ports(1)[0] if scheme == "redis" else 0)
    server.start()
    client = open_redis(server.url, timeout_seconds=TIMEOUT_SECONDS, max_connections=2)

    await client.set("key", "value")
    stored = await client.get("key")

    assert server.url.startswith(f"{scheme}://")
    assert stored == b"value"
    await client.aclose()
    server.stop()


async def test_a_server_that_hangs_is_given_up_after_the_time_out(valkey: BreakableValkey) -> None:
    client = open_redis(valkey.url, timeout_seconds=TIMEOUT_SECONDS, max_connections=2)
    await ping(client)
    valkey.freeze()

    took = []
    for _known_connection_then_new in range(2):
        began = time.perf_counter()
        async with asyncio.timeout(10):
            with pytest.raises(RedisError, match="Timeout"):
                await ping(client)
        took.append(time.perf_counter() - began)

    assert min(took) > TIMEOUT_SECONDS * 0.9
    await client.aclose()


async def test_the_wait_for_a_free_connection_is_bounded_too(valkey: BreakableValkey) -> None:
    client = open_redis(valkey.url, timeout_seconds=TIMEOUT_SECONDS, max_connections=1)
    held = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call] # redis leaves it untyped

    async with asyncio.timeout(10):
        with pytest.raises(RedisError):
            await ping(client)

    await client.connection_pool.release(held)
    await ping(client)
    await client.aclose()


async def test_a_connection_that_the_server_closed_is_replaced_unnoticed(valkey: BreakableValkey) -> None:
    client = open_redis(valkey.url, timeout_seconds=5, max_connections=2)
    await ping(client)

    await asyncio.to_thread(valkey.kill)
    await asyncio.to_thread(valkey.start)
    await client.set("key", "value")

    assert await client.get("key") == b"value"
    await client.aclose()


async def test_the_service_starts_without_redis_serves_and_finds_it_later(
    database_url: str, stopped_valkey: BreakableValkey, no_cache: None
) -> None:
    async with run_service(settings_for(database_url=database_url, redis_url=stopped_valkey.url)) as service:
        without = await ready(service)
        api = await service.client.get("/openapi.json")
        await asyncio.to_thread(stopped_valkey.start)
        await eventually(lambda: is_passing(service))

    assert without == (200, "degraded")
    assert api.status_code == 200


async def test_redis_going_and_coming_back_is_degraded_and_whole_again(
    database_url: str, valkey: BreakableValkey, no_cache: None
) -> None:
    async with run_service(settings_for(database_url=database_url, redis_url=valkey.url)) as service:
        before = await ready(service)
        await asyncio.to_thread(valkey.kill)
        during = await ready(service)
        await asyncio.to_thread(valkey.start)
        after = await ready(service)

    assert (before, during, after) == ((200, "pass"), (200, "degraded"), (200, "pass"))


async def test_a_redis_that_hangs_does_not_hold_the_health_report(
    database_url: str, valkey: BreakableValkey, no_cache: None
) -> None:
    settings = settings_for(database_url=database_url, redis_url=valkey.url, redis={"timeout_seconds": 30})

    async with run_service(settings) as service:
        valkey.freeze()
        async with asyncio.timeout(10):
            status = await ready(service)

    assert status == (200, "degraded")


async def ready(service: RunningService) -> tuple[int, str]:
    response = await service.client.get("/health/ready")
    return response.status_code, response.json()["status"]


async def is_passing(service: RunningService) -> bool:
    return await ready(service) == (200, "pass")
