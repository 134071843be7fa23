"""What one process has loaded the others know; what one takes back none uses; without Redis each goes on alone."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Annotated, Any
from uuid import uuid4

import pytest
from pydantic import AfterValidator, BaseModel

from app.cache import broadcast, cache, finding, invalidation
from app.cache.broadcast import open_broadcast
from app.cache.cache import Cache
from app.cache.decorator import cached
from app.cache.found import Found
from app.cache.kinds import JITTER, Kind, Lifetime
from app.cache.redis import Redis, open_redis
from app.cache.shared import SharedEntries
from app.core.errors import DeadlineExceeded
from app.observability.metrics import Metrics
from app.resilience.backoff import Backoff
from app.resilience.deadline import SECONDS_TO_GO_ON, Deadline, remaining
from tests.support.clock import Clock
from tests.support.outages import BreakableValkey
from tests.support.town import FAILING, FRESH, REFRESHING, TOWNS, Office, OfficeClosed, Town
from tests.support.waiting import comes_true, until

WIDE = 10_000_000


class Process:
    """One of several that use the same Redis: its cache, its clock, its metrics."""

    def __init__(self, cache: Cache, clock: Clock, metrics: Metrics, redis: Redis | None) -> None:
        self.cache = cache
        self.clock = clock
        self.metrics = metrics
        self.redis = redis

    async def people_in(self, town: str, office: Office) -> tuple[int, bool]:
        """How many it says, and whether that is stale."""
        found = await self.cache.get(TOWNS, town, lambda: office.tell(town), tenant=None, tags=[f"town:{town}"])
        return found.value.people, found.is_stale

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"{name}_total", labels) or 0

    def is_heard(self) -> bool:
        return self.metrics.registry.get_sample_value("broadcast_heard") == 1

    def forget_all(self) -> None:
        """As if it had just been started."""
        for key in list(self.cache.memory.entries):
            self.cache.memory.drop(key)


class Town2(BaseModel):
    name: str
    people: int
    mayor: str | None = None


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "RECONNECT", Backoff(first_seconds=0.02, longest_seconds=0.1))
    monkeypatch.setattr(broadcast, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(invalidation, "TELL_AGAIN_SECONDS", 0.02)


async def start(
    stack: AsyncExitStack, url: str | None, *, memory_bytes: int = WIDE, value_bytes: int = WIDE
) -> Process:
    metrics, clock = Metrics(), Clock()
    redis, listening = (open_redis(url, timeout_seconds=0.2, max_connections=5) if url else None for _ in range(2))
    if redis:
        stack.push_async_callback(redis.aclose)
    heard = await stack.enter_async_context(open_broadcast(redis, listening, prefix="test:", metrics=metrics))
    cache = Cache(
        SharedEntries(redis, prefix="test:cache:") if redis else None,
        heard,
        memory_bytes=memory_bytes,
        value_bytes=value_bytes,
        metrics=metrics,
        clock=clock,
    )
    stack.push_async_callback(cache.close)
    process = Process(cache, clock, metrics, redis)
    if url:
        await until(process.is_heard)
    return process


async def test_what_one_has_loaded_the_others_know(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    office.people["Ulm"] = 120_000

    answers = [await process.people_in("Ulm", office) for process in (one, one, two, two)]

    assert answers == [(120_000, False)] * 4
    assert office.asked["Ulm"] == 1
    assert [one.counted("cache_calls", kind="towns", outcome=outcome) for outcome in ("miss", "hit")] == [1, 1]
    assert [two.counted("cache_loads", kind="towns", source=source) for source in ("redis", "provider")] == [1, 0]


async def test_of_many_that_ask_at_once_one_loads_in_all_processes_together(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    office.answers.clear()

    asking = [asyncio.create_task(process.people_in("Ulm", office)) for process in (one, two) for _ in range(200)]
    await until(lambda: office.asked["Ulm"] > 0)
    office.answers.set()
    answers = await asyncio.gather(*asking)

    assert answers == [(0, False)] * 400
    assert office.asked["Ulm"] <= 2


async def test_who_dies_over_a_load_delays_the_others_by_the_time_of_the_lock(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "LOCK_SECONDS", 1)
    process = await start(stack, valkey.url)
    shared = process.cache.finding.shared
    assert shared
    lock, asked_at_each_try = shared.lock, []

    async def try_lock(*given: Any, **named: Any) -> bool:
        asked_at_each_try.append(office.asked["Ulm"])
        return await lock(*given, **named)

    await shared.lock(TOWNS.key("Ulm", None), "dead", seconds=60)
    monkeypatch.setattr(shared, "lock", try_lock)

    async with asyncio.timeout(10):
        answer = await process.people_in("Ulm", office)

    assert answer == (0, False)
    assert len(asked_at_each_try) > 1
    assert set(asked_at_each_try) == {0}


async def test_while_one_loads_it_anew_everybody_gets_the_old_value_at_once(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url)
    await process.people_in("Ulm", office)
    office.people["Ulm"] = 1
    office.answers.clear()
    process.clock.advance(FRESH)
    await expire(process)

    stale = [await process.people_in("Ulm", office) for _ in range(20)]
    await until(lambda: office.asked["Ulm"] == 2)
    office.answers.set()
    is_new = await comes_true(lambda: not process.cache.refreshing, within_seconds=5)

    assert stale == [(0, True)] * 20
    assert is_new
    assert await process.people_in("Ulm", office) == (1, False)
    assert office.asked["Ulm"] == 2


async def expire(process: Process) -> None:
    """In Redis, whose clock nobody moves."""
    assert process.redis
    await process.redis.flushall()


async def test_many_old_values_are_loaded_anew_some_at_a_time(
    stack: AsyncExitStack, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST_REFRESHES", 3)
    process = await start(stack, None)
    towns = [f"town {number}" for number in range(10)]
    before = [await process.people_in(town, office) for town in towns]
    process.clock.advance(FRESH)
    office.answers.clear()

    stale = [await process.people_in(town, office) for town in towns]
    await until(lambda: office.asked.total() >= 13)
    under_way = len(process.cache.refreshing)
    office.answers.set()
    asked = await comes_true(lambda: not process.cache.refreshing, within_seconds=5) and office.asked.total()
    await process.people_in(towns[-1], office)

    assert (before, stale) == ([(0, False)] * 10, [(0, True)] * 10)
    assert (under_way, asked) == (3, 13)
    assert await comes_true(lambda: office.asked[towns[-1]] == 2, within_seconds=5), "whose turn comes later"


async def test_while_the_provider_is_gone_the_old_value_is_served_and_flagged(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url)
    await process.people_in("Ulm", office)
    await expire(process)
    office.is_closed = True
    process.clock.advance(FRESH + REFRESHING)

    stale = [await process.people_in("Ulm", office) for _ in range(20)]
    process.clock.advance(FAILING - REFRESHING)

    assert stale == [(0, True)] * 20
    assert office.asked["Ulm"] == 2, "and nobody tries again with each call"
    with pytest.raises(OfficeClosed):
        await process.people_in("Ulm", office)


async def test_what_failed_is_tried_again_after_a_while(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url)
    await process.people_in("Ulm", office)
    await expire(process)
    process.clock.advance(FRESH + REFRESHING)
    office.is_closed = True
    await process.people_in("Ulm", office)

    office.is_closed = False
    process.clock.advance(1)

    assert await process.people_in("Ulm", office) == (0, False)


async def test_an_old_value_is_served_before_its_caller_has_no_more_time(stack: AsyncExitStack, office: Office) -> None:
    process = await start(stack, None)
    await process.people_in("Ulm", office)
    process.clock.advance(FRESH + REFRESHING)
    office.answers.clear()

    with Deadline(SECONDS_TO_GO_ON + 0.2):
        old = await process.people_in("Ulm", office)

    assert (old, office.asked["Ulm"]) == ((0, True), 2)


async def test_of_a_caller_without_time_those_who_have_some_do_not_get_old_values(
    stack: AsyncExitStack, office: Office
) -> None:
    process = await start(stack, None)
    await process.people_in("Ulm", office)
    process.clock.advance(FRESH + REFRESHING)
    office.people["Ulm"] = 1
    office.answers.clear()

    with Deadline(SECONDS_TO_GO_ON + 0.1):
        hurried = await process.people_in("Ulm", office)
    office.answers.set()
    patient = await process.people_in("Ulm", office)

    assert (hurried, patient) == ((0, True), (1, False))


async def test_who_has_no_more_time_and_finds_nothing_is_told_so_in_time(stack: AsyncExitStack, office: Office) -> None:
    process = await start(stack, None)
    office.answers.clear()

    with Deadline(SECONDS_TO_GO_ON + 0.2):
        with pytest.raises(DeadlineExceeded):
            await process.people_in("Ulm", office)
        left = remaining()

    assert 0 < left <= SECONDS_TO_GO_ON
    assert process.counted("cache_calls", kind="towns", outcome="failed") == 1


async def test_a_mistake_of_ours_is_not_covered_up(stack: AsyncExitStack, office: Office) -> None:
    process = await start(stack, None)
    await process.people_in("Ulm", office)
    process.clock.advance(FRESH + REFRESHING)

    async def crash() -> Town:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await process.cache.get(TOWNS, "Ulm", crash, tenant=None)


async def test_what_one_takes_back_nobody_uses_a_second_later(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    for process in (one, two):
        await process.people_in("Ulm", office)
        await process.people_in("Bonn", office)
    office.people.update({"Ulm": 1, "Bonn": 1})

    await one.cache.invalidate("town:Ulm")
    here = await one.people_in("Ulm", office)
    was_heard = await comes_true(lambda: TOWNS.key("Ulm", None) not in two.cache.memory.entries, within_seconds=1)

    assert (here, was_heard) == ((1, False), True)
    assert await two.people_in("Ulm", office) == (1, False)
    assert await two.people_in("Bonn", office) == (0, False)


async def asked_before_a_change(process: Process, office: Office) -> "asyncio.Task[tuple[int, bool]]":
    """Somebody waits for an answer that is wrong by the time it comes."""
    office.answers.clear()
    asking = asyncio.create_task(process.people_in("Ulm", office))
    await until(lambda: office.asked["Ulm"] == 1)
    office.people["Ulm"] = 1
    return asking


async def test_a_load_that_was_under_way_does_not_bring_the_old_value_back(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    asking = await asked_before_a_change(two, office)

    await one.cache.invalidate("town:Ulm")
    office.answers.set()
    old = await asking

    assert old == (0, False), "asked before the change"
    assert await one.people_in("Ulm", office) == (1, False)
    assert await two.people_in("Ulm", office) == (1, False)


async def test_not_even_if_the_message_was_missed(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    monkeypatch.setattr(two.cache.invalidation, "forget", lambda _tags: None)
    asking = await asked_before_a_change(two, office)

    await one.cache.invalidate("town:Ulm")
    office.answers.set()
    await asking

    assert await two.people_in("Ulm", office) == (1, False)
    assert await one.people_in("Ulm", office) == (1, False)


async def test_nor_without_redis(stack: AsyncExitStack, office: Office) -> None:
    process = await start(stack, None)
    asking = await asked_before_a_change(process, office)

    await process.cache.invalidate("town:Ulm")
    office.answers.set()
    await asking

    assert await process.people_in("Ulm", office) == (1, False)


async def test_who_asks_after_a_change_does_not_wait_for_a_load_from_before_it(
    stack: AsyncExitStack, office: Office
) -> None:
    process = await start(stack, None)
    before = await asked_before_a_change(process, office)

    await process.cache.invalidate("town:Ulm")
    after = asyncio.create_task(process.people_in("Ulm", office))
    await until(lambda: office.asked["Ulm"] == 2)
    office.answers.set()

    assert (await before, await after) == ((0, False), (1, False))
    assert await process.people_in("Ulm", office) == (1, False)


async def test_after_a_gap_nothing_is_believed_but_rather_served_than_nothing(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url)
    await process.people_in("Ulm", office)
    await process.people_in("Bonn", office)
    office.people["Ulm"] = 1
    await asyncio.to_thread(valkey.kill)
    await until(lambda: not process.is_heard())
    alone = await process.people_in("Ulm", office)
    await asyncio.to_thread(valkey.start)
    await until(process.is_heard)

    changed = await process.people_in("Ulm", office)
    office.is_closed = True
    unknown = await process.people_in("Bonn", office)

    assert (alone, changed, unknown) == ((0, False), (1, False), (0, True))


async def test_what_redis_did_not_hear_it_is_told_later(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    for process in (one, two):
        await process.people_in("Ulm", office)
    office.people["Ulm"] = 1
    valkey.freeze()

    await one.cache.invalidate("town:Ulm")
    during = await one.people_in("Ulm", office)
    valkey.thaw()
    await until(lambda: not one.cache.invalidation.untold and two.is_heard())

    assert during == (1, False)
    assert await one.people_in("Ulm", office) == (1, False)
    assert await two.people_in("Ulm", office) == (1, False)


@pytest.mark.parametrize("outage", [BreakableValkey.kill, BreakableValkey.freeze])
async def test_without_redis_each_process_remembers_by_itself(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office, outage: Callable[[BreakableValkey], None]
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    await asyncio.to_thread(outage, valkey)

    answers = [await process.people_in("Ulm", office) for process in (one, one, two, two)]

    assert answers == [(0, False)] * 4
    assert office.asked["Ulm"] == 2
    assert one.counted("cache_redis_failures") >= 1


async def test_a_redis_that_is_full_is_as_good_as_none(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url)
    assert process.redis
    await process.redis.config_set("maxmemory", "1")

    answers = [await process.people_in("Ulm", office) for _ in range(3)]

    assert answers == [(0, False)] * 3
    assert office.asked["Ulm"] == 1


async def test_that_there_is_nothing_is_remembered_for_a_moment(stack: AsyncExitStack, valkey: BreakableValkey) -> None:
    kind: Kind[str | None] = Kind("names", str | None, Lifetime(60, if_failing=60), missing_seconds=5)
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    loads = []

    async def find_nothing() -> None:
        loads.append(1)

    found = [await process.cache.get(kind, "x", find_nothing, tenant=None) for process in (one, one, two, two)]
    one.clock.advance(5)
    await expire(one)
    await one.cache.get(kind, "x", find_nothing, tenant=None)

    assert found == [Found(None, is_stale=False)] * 4
    assert len(loads) == 2


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"x",
        b"\n",
        b"1 2\n{}",
        b"-1 5 a b\n{}",
        b"999999 999999 %s %s\n{}",
        b"999999 999999 %s %s\n\xff",
        b"9" * 400 + b' 999999 %s %s\n{"name": "Ulm", "people": 7}',
        b"999999 " + b"9" * 5000 + b' %s %s\n{"name": "Ulm", "people": 7}',
        None,
    ],
)
async def test_what_somebody_else_wrote_is_a_miss_and_no_error(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office, written: bytes | None
) -> None:
    process = await start(stack, valkey.url)
    assert process.redis
    await process.people_in("Ulm", office)
    process.forget_all()
    key = "test:cache:" + TOWNS.key("Ulm", None)
    marks = await process.redis.mget("test:cache:tag:*", "test:cache:tag:town:Ulm")
    await process.redis.delete(key)
    if written is None:
        await process.redis.rpush(key, "a list")
    else:
        await process.redis.set(key, written % tuple(marks) if b"%s" in written else written)

    answer = await process.people_in("Ulm", office)

    assert (answer, office.asked["Ulm"]) == ((0, False), 2)


async def test_what_a_type_fails_to_read_is_a_miss_and_no_error(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    def look_up(name: str) -> str:
        return {"Ulm": name}[name]

    kind: Kind[str] = Kind("names", Annotated[str, AfterValidator(look_up)], Lifetime(FRESH))
    one, two = [await start(stack, valkey.url) for _ in range(2)]

    async def load() -> str:
        return (await office.tell("Bonn")).name

    found = [await process.cache.get(kind, "x", load, tenant=None) for process in (one, two)]

    assert found == [Found("Bonn", is_stale=False)] * 2
    assert office.asked["Bonn"] == 2


async def test_another_shape_version_or_tenant_is_another_value(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url)
    lifetime = TOWNS.lifetime
    kinds = [TOWNS, Kind("towns", Town2, lifetime), Kind("towns", Town, lifetime, version=2)]
    tenants = [None, uuid4(), uuid4()]

    for kind, tenant in [*((kind, None) for kind in kinds), *((TOWNS, tenant) for tenant in tenants)]:
        await process.cache.get(kind, "Ulm", tell_as(kind, office), tenant=tenant)

    assert office.asked["Ulm"] == len(kinds) + len(tenants) - 1


def tell_as(kind: Kind[Town], office: Office) -> Callable[[], Coroutine[None, None, Town]]:
    async def tell() -> Town:
        return kind.decode((await office.tell("Ulm")).model_dump_json().encode())

    return tell


async def test_memory_is_bounded_and_what_was_not_used_for_longest_gives_way(
    stack: AsyncExitStack, office: Office
) -> None:
    process = await start(stack, None, memory_bytes=3_300)

    for town in ("Ulm", "Bonn", "Jena", "Ulm", "Kiel", "Ulm", "Bonn"):
        await process.people_in(town, office)

    assert len(process.cache.memory.entries) == 3
    assert process.metrics.registry.get_sample_value("cache_bytes") == process.cache.memory.bytes <= 3_300
    assert office.asked == {"Ulm": 1, "Bonn": 2, "Jena": 1, "Kiel": 1}


async def test_what_is_too_large_is_loaded_each_time(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url, value_bytes=10)

    answers = [await process.people_in("Ulm", office) for _ in range(2)]

    assert (answers, office.asked["Ulm"]) == ([(0, False)] * 2, 2)


async def test_values_that_were_loaded_together_do_not_end_together(stack: AsyncExitStack, office: Office) -> None:
    process = await start(stack, None)

    for number in range(50):
        await process.people_in(f"town {number}", office)
    ends = [entry.fresh_until - process.clock() for entry in process.cache.memory.entries.values()]

    assert len(set(ends)) > 40
    assert FRESH * (1 - JITTER) <= min(ends) <= max(ends) <= FRESH


async def test_a_function_can_be_declared_to_be_remembered(stack: AsyncExitStack, office: Office) -> None:
    process = await start(stack, None)

    @cached(TOWNS, key=lambda name: name, tenant=None, tags=lambda name: [f"town:{name}"])
    async def read_town(name: str) -> Town:
        """Asks the office."""
        return await office.tell(name)

    found = [await read_town(process.cache, name) for name in ("Ulm", "Ulm", "Bonn")]
    await process.cache.invalidate("town:Ulm")
    await read_town(process.cache, "Ulm")

    assert found[0] == Found(Town(name="Ulm", people=0), is_stale=False)
    assert office.asked == {"Ulm": 2, "Bonn": 1}
    assert read_town.__doc__ == "Asks the office."


async def test_whoever_chooses_a_name_does_not_choose_how_much_room_it_takes(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]
    assert one.redis
    long = "x" * 10_000
    for process in (one, two):
        await process.people_in(long, office)

    keys = await one.redis.keys()
    remembered = [*one.cache.memory.entries, *one.cache.memory.keys_of]
    office.people[long] = 1
    await one.cache.invalidate(f"town:{long}")
    was_heard = await comes_true(lambda: not two.cache.memory.entries, within_seconds=1)

    assert max(map(len, [*keys, *remembered])) < 200
    assert was_heard
    assert await two.people_in(long, office) == (1, False)


async def test_nothing_in_redis_stays_for_ever_and_all_of_it_is_readable(
    stack: AsyncExitStack, valkey: BreakableValkey, office: Office
) -> None:
    process = await start(stack, valkey.url)
    assert process.redis
    await process.people_in("Ulm", office)

    keys = await process.redis.keys()
    lives = [await process.redis.pttl(key) for key in keys]
    written = await process.redis.get("test:cache:" + TOWNS.key("Ulm", None))

    assert len(keys) == 3
    assert all(0 < life <= 86_400_000 for life in lives)
    assert isinstance(written, bytes)
    assert json.loads(written.partition(b"\n")[2]) == {"name": "Ulm", "people": 0}
