"""Processes share the limits of callers through Redis, and hold them alone while there is none."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx2
import pytest
from structlog.testing import capture_logs

from app.cache.moving_windows import MovingWindows
from app.cache.redis import Redis, open_redis
from app.core.ids import new_id
from app.core.rates import Bucket, Rate, Standing
from app.observability.metrics import Metrics
from app.security import rate_limiter
from app.security.local_limit import LocalLimits
from app.security.rate_limiter import open_rate_limiter
from tests.support.callers import key_for
from tests.support.doors import router
from tests.support.metrics import scrape
from tests.support.outages import BreakableValkey
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually

ALLOWED = 20

# On a busy machine so many at once would be turned away for other reasons.
PATIENT = 30.0


@pytest.fixture
async def redis(valkey: BreakableValkey) -> AsyncIterator[Redis]:
    client = open_redis(valkey.url, timeout_seconds=5, max_connections=2)
    yield client
    await client.aclose()


class Doors:
    """Some services that share one database and perhaps one Redis, and one caller of theirs."""

    def __init__(self, services: list[RunningService], key: str) -> None:
        self.services = services
        self.headers = {"Authorization": f"Bearer {key}"}

    async def knock(self, *, at: int = 0) -> httpx2.Response:
        return await self.services[at].client.get("/v1/doors", headers=self.headers)

    async def knock_often(self, times: int) -> list[int]:
        """At all of them at the same time; how they answered."""
        places = [place % len(self.services) for place in range(times)]
        answers = await asyncio.gather(*(self.knock(at=place) for place in places))
        return [answer.status_code for answer in answers]

    async def is_local(self, *, at: int = 0) -> bool:
        return (await scrape(self.services[at].management)).value("rate_limits_local") == 1


async def open_doors(stack: AsyncExitStack, database_url: str, *, redis_url: str | None, services: int) -> Doors:
    settings = settings_for(
        database_url=database_url,
        redis_url=redis_url,
        redis={"timeout_seconds": 0.3},
        rate={"limit_default": f"{ALLOWED}/hour"},
        overload={"queue_seconds": PATIENT},
    )
    running = [await stack.enter_async_context(run_service(settings, routers=[router])) for _ in range(services)]
    return Doors(running, (await key_for(settings, "doors:pass", tenant=new_id())).text)


async def test_of_many_requests_at_several_processes_exactly_as_many_pass_as_allowed(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    doors = await open_doors(stack, database_url, redis_url=valkey.url, services=2)

    answers = await doors.knock_often(3 * ALLOWED)

    assert (answers.count(200), answers.count(429)) == (ALLOWED, 2 * ALLOWED)


async def test_without_redis_each_process_holds_the_limit_alone_and_later_all_together_again(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    doors = await open_doors(stack, database_url, redis_url=valkey.url, services=2)
    with capture_logs() as lines:
        before = await doors.knock_often(2)
        await asyncio.to_thread(valkey.kill)
        during = await doors.knock_often(4 * ALLOWED)
        were_local = [await doors.is_local(at=place) for place in range(2)]
        await asyncio.to_thread(valkey.start)
        await eventually(lambda: both_share(doors))
        after = await doors.knock_often(3 * ALLOWED)

    told = [line["event"] for line in lines if line["event"].startswith("rate_limits_")]
    assert before == [200, 200]
    assert (during.count(200), during.count(429), len(during)) == (2 * ALLOWED, 2 * ALLOWED, 4 * ALLOWED)
    assert were_local == [True, True]
    assert (after.count(200), after.count(429)) == (ALLOWED, 2 * ALLOWED), "the new Redis knew of nothing"
    assert sorted(told) == ["rate_limits_local"] * 2 + ["rate_limits_shared"] * 2


async def both_share(doors: Doors) -> bool:
    return not any([await doors.is_local(at=place) for place in range(2)])


async def test_a_redis_that_hangs_is_waited_for_once(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    doors = await open_doors(stack, database_url, redis_url=valkey.url, services=1)
    await doors.knock()
    valkey.freeze()
    first = await doors.knock()

    began = time.monotonic()
    others = [await doors.knock() for _ in range(10)]

    assert [first.status_code, *(answer.status_code for answer in others)] == [200] * 11
    assert time.monotonic() - began < 10 * 0.3, "none of them waited"


async def test_a_redis_that_answers_but_cannot_count_is_left_until_it_can(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limiter, "PROBE_SECONDS", 0.05)
    doors = await open_doors(stack, database_url, redis_url=valkey.url, services=1)
    with capture_logs() as lines:
        await redis.config_set("maxmemory", "1")
        full = await doors.knock()
        await eventually(lambda: was_asked_often(redis))  # and none of that may be taken for a return
        was_local = await doors.is_local()
        await redis.config_set("maxmemory", "0")
        await eventually(lambda: shares(doors))

    told = [line["event"] for line in lines if line["event"].startswith("rate_limits_")]
    assert (full.status_code, was_local) == (200, True)
    assert told == ["rate_limits_local", "rate_limits_shared"]


async def was_asked_often(redis: Redis) -> bool:
    commands = await redis.info("commandstats")
    return int(commands["cmdstat_evalsha"]["calls"]) > 5


async def shares(doors: Doors) -> bool:
    return not await doors.is_local()


async def test_without_an_address_of_redis_it_says_once_that_it_counts_alone(
    stack: AsyncExitStack, database_url: str
) -> None:
    doors = await open_doors(stack, database_url, redis_url=None, services=1)
    with capture_logs() as lines:
        async with open_rate_limiter(None, metrics=Metrics()):
            told = [line["cause"] for line in lines if line["event"] == "rate_limits_local"]
        answers = await doors.knock_often(ALLOWED + 1)

    assert (answers.count(200), answers.count(429)) == (ALLOWED, 1)
    assert told == ["REDIS_URL is not set"]
    assert [line for line in lines if line["event"].startswith("rate_limits_")] == lines[:1]


# --- The windows themselves ---


async def test_what_has_left_the_window_is_there_again(redis: Redis) -> None:
    windows = MovingWindows(redis, prefix="test:")
    bucket = Bucket("default", Rate(2, 1), "somebody")

    first, second, third = [(await windows.take([bucket]))[0] for _ in range(3)]
    await eventually(lambda: lets_pass(windows, bucket))

    assert [standing.is_refused for standing in (first, second, third)] == [False, False, True]
    assert [standing.left for standing in (first, second, third)] == [1, 0, 0]
    assert 0 < third.seconds <= second.seconds <= first.seconds == 1


async def lets_pass(windows: MovingWindows, bucket: Bucket) -> bool:
    return not (await windows.take([bucket]))[0].is_refused


async def test_a_request_that_one_limit_refuses_takes_nothing_from_another(redis: Redis) -> None:
    windows = MovingWindows(redis, prefix="test:")
    wide, narrow = Bucket("default", Rate(10, 60), "a"), Bucket("route", Rate(1, 60), "a /")

    taken = await asyncio.gather(*(windows.take([wide, narrow]) for _ in range(3)))

    assert [[standing.is_refused for standing in both] for both in taken] == [[False, False]] + [[False, True]] * 2
    assert [[standing.left for standing in both] for both in taken] == [[9, 0]] * 3


SECOND, HOUR = 1_000_000, 3_600_000_000


async def write_string(redis: Redis, key: str, _now: int) -> None:
    await redis.set(key, "1")


async def write_hash(redis: Redis, key: str, _now: int) -> None:
    await redis.hset(key, "a", "b")


async def write_oldest(redis: Redis, key: str, now: int) -> None:
    await redis.rpush(key, now - SECOND, "nonsense")


async def write_newest(redis: Redis, key: str, now: int) -> None:
    await redis.rpush(key, "inf", now - SECOND)


async def write_between(redis: Redis, key: str, now: int) -> None:
    """Found when what is older has left the window."""
    await redis.rpush(key, now - SECOND, "", now - 2 * HOUR)


async def write_future(redis: Redis, key: str, now: int) -> None:
    """As when the clock of Redis was set back by an hour."""
    await redis.rpush(key, *([now + HOUR] * 3))


async def write_future_above_past(redis: Redis, key: str, now: int) -> None:
    """And the oldest of them is from before that."""
    await redis.rpush(key, now + HOUR, now + HOUR, now - SECOND)


@pytest.mark.parametrize(
    "write",
    [write_string, write_hash, write_oldest, write_newest, write_between, write_future, write_future_above_past],
)
async def test_a_window_that_cannot_be_right_begins_anew_and_disturbs_no_other(
    redis: Redis, write: Callable[[Redis, str, int], Awaitable[None]]
) -> None:
    windows = MovingWindows(redis, prefix="test:")
    damaged, other = Bucket("default", Rate(3, 3600), "a"), Bucket("default", Rate(3, 3600), "b")
    seconds, microseconds = await redis.time()
    await windows.take([other])
    await write(redis, windows.key_of(damaged), seconds * SECOND + microseconds)

    taken = await asyncio.gather(*(windows.take([bucket]) for bucket in (damaged, damaged, other)))

    assert [(standing.left, standing.is_refused) for [standing] in taken] == [(2, False), (1, False), (1, False)]
    assert taken[0][0].seconds == 3600


async def test_without_redis_two_limits_of_one_rate_are_as_separate_as_with_it(redis: Redis) -> None:
    windows, local = MovingWindows(redis, prefix="test:"), LocalLimits()
    rate = Rate(2, 3600)
    one, other, changed = Bucket("route", rate, "a"), Bucket("route-2", rate, "a"), Bucket("route", Rate(3, 3600), "a")
    requests = [[one, other], [one], [one, other], [other], [other], [changed]]

    shared = [await windows.take(buckets) for buckets in requests]
    alone = [local.take(buckets) for buckets in requests]

    assert what_is_left(alone) == what_is_left(shared)
    assert what_is_left(shared) == [[1, 1], [0], [0, 1], [0], [0], [2]]


def what_is_left(taken: list[list[Standing]]) -> list[list[int]]:
    return [[standing.left for standing in standings] for standings in taken]


async def test_one_that_gives_up_does_not_disturb_the_others(redis: Redis) -> None:
    windows = MovingWindows(redis, prefix="test:")
    asking = [asyncio.create_task(windows.take([Bucket("default", Rate(10, 60), "a")])) for _ in range(5)]
    await asyncio.sleep(0)

    asking[2].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)

    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [False, False, True, False, False]


async def test_nothing_stays_in_redis_of_whoever_calls_no_longer(redis: Redis) -> None:
    windows = MovingWindows(redis, prefix="test:")
    await windows.take([Bucket("default", Rate(2, 1), "somebody")])

    async def is_empty() -> bool:
        return not await redis.keys()

    await eventually(is_empty)
