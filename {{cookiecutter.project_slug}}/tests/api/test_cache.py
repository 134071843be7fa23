"""What was loaded is remembered: once for all who ask, in all processes, until somebody changes it."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest

from app.resilience import adaptive_limit
from tests.support.metrics import scrape
from tests.support.outages import BreakableValkey
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.town import FAILING, FRESH, REFRESHING, Office, town_router
from tests.support.waiting import eventually, until

MANY = 100


class Towns:
    """Some services that share one office, one database, and perhaps one Redis."""

    def __init__(self, services: list[RunningService], office: Office) -> None:
        self.services = services
        self.office = office

    async def read(self, *, at: int = 0, seconds: float = 20) -> dict[str, Any]:
        answer = await self.services[at].client.get("/v1/towns/Ulm", headers={"X-Request-Timeout": str(seconds)})
        return {"status": answer.status_code, **answer.json()}

    async def move(self, people: int, *, fails: bool = False, at: int = 0) -> httpx2.Response:
        return await self.services[at].client.put(f"/v1/towns/Ulm?people={people}&fails={fails}")

    async def grow_older(self, seconds: float) -> None:
        (await self.services[0].client.post(f"/v1/towns/ageing?seconds={seconds}")).raise_for_status()

    async def all_hear(self) -> bool:
        return all([(await scrape(one.management)).value("broadcast_heard") for one in self.services])

    async def ask_all(self, times: int) -> list[dict[str, Any]]:
        """So many, of each in turn. All have come before the office answers the first."""
        self.office.answers.clear()
        places = [place % len(self.services) for place in range(times)]
        asking = [asyncio.create_task(self.read(at=place)) for place in places]
        await until(lambda: self.office.wanted["Ulm"] == times and self.office.asked["Ulm"] > 0)
        self.office.answers.set()
        return await asyncio.gather(*asking)


async def open_towns(stack: AsyncExitStack, database_url: str, *, redis_url: str | None, services: int) -> Towns:
    office = Office()
    settings = settings_for(database_url=database_url, redis_url=redis_url, overload={"queue_seconds": 10})
    routers = [town_router(office)]
    running = [await stack.enter_async_context(run_service(settings, routers=routers)) for _ in range(services)]
    towns = Towns(running, office)
    if redis_url:
        await eventually(towns.all_hear)
    return towns


def people(number: int, *, is_stale: bool = False) -> dict[str, Any]:
    return {"status": 200, "people": number, "is_stale": is_stale}


async def test_of_many_that_ask_at_once_one_loads(
    stack: AsyncExitStack, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptive_limit, "INITIAL", MANY)  # all are let in at once
    towns = await open_towns(stack, database_url, redis_url=None, services=1)

    answers = await towns.ask_all(MANY)
    later = await towns.read()
    metrics = await scrape(towns.services[0].management)

    assert towns.office.asked["Ulm"] == 1
    assert [*answers, later] == [people(0)] * (MANY + 1)
    assert metrics.value("cache_calls_total", kind="towns", outcome="miss") == MANY
    assert metrics.value("cache_calls_total", kind="towns", outcome="hit") == 1
    assert metrics.value("cache_loads_total", kind="towns", source="provider") == 1


async def test_of_several_processes_one_loads(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    towns = await open_towns(stack, database_url, redis_url=valkey.url, services=2)

    answers = await towns.ask_all(20)

    assert towns.office.asked["Ulm"] == 1
    assert answers == [people(0)] * 20


async def test_what_one_process_has_loaded_the_other_finds(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    towns = await open_towns(stack, database_url, redis_url=valkey.url, services=2)

    answers = [await towns.read(at=place) for place in (0, 1)]

    assert (answers, towns.office.asked["Ulm"]) == ([people(0)] * 2, 1)


async def test_while_one_loads_it_anew_the_others_get_the_old_value_at_once(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    towns = await open_towns(stack, database_url, redis_url=valkey.url, services=1)
    await towns.read()
    await towns.grow_older(FRESH)
    towns.office.people["Ulm"] = 1
    towns.office.answers.clear()

    asking = [asyncio.create_task(towns.read()) for _ in range(10)]
    answered, late = await asyncio.wait(asking, timeout=3)  # the office does not answer before they are answered
    towns.office.answers.set()
    await asyncio.gather(*asking)

    assert not late
    assert [task.result() for task in answered] == [people(0, is_stale=True)] * 10
    assert await becomes(towns, people(1))
    assert towns.office.asked["Ulm"] == 2


async def becomes(towns: Towns, wanted: dict[str, Any], *, at: int = 0, within_seconds: float = 10) -> bool:
    """Whether it did in time."""

    async def is_so() -> bool:
        return await towns.read(at=at) == wanted

    try:
        await eventually(is_so, within_seconds=within_seconds)
    except TimeoutError:
        return False
    return True


async def test_an_old_value_is_better_than_none_and_flagged(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    towns = await open_towns(stack, database_url, redis_url=valkey.url, services=1)
    await towns.read()
    await towns.grow_older(FRESH + REFRESHING)
    towns.office.is_closed = True

    old = [await towns.read() for _ in range(10)]
    await towns.grow_older(FAILING)
    none = await towns.read()

    assert old == [people(0, is_stale=True)] * 10
    assert none["status"] == 503


async def test_whoever_has_little_time_gets_the_old_value_while_there_is_some(
    stack: AsyncExitStack, database_url: str
) -> None:
    towns = await open_towns(stack, database_url, redis_url=None, services=1)
    await towns.read()
    await towns.grow_older(FRESH + REFRESHING)
    towns.office.people["Ulm"] = 1
    towns.office.answers.clear()

    old = await towns.read(seconds=0.5)
    towns.office.answers.set()
    new = await towns.read()

    assert (old, new) == (people(0, is_stale=True), people(1))
    assert towns.office.asked["Ulm"] == 3, "and those who have more time do not wait for a second because of it"


async def test_what_a_function_returned_is_remembered(stack: AsyncExitStack, database_url: str) -> None:
    towns = await open_towns(stack, database_url, redis_url=None, services=1)

    answers = [await towns.read() for _ in range(3)]

    assert (answers, towns.office.asked["Ulm"]) == ([people(0)] * 3, 1)


async def test_what_is_changed_in_one_process_is_not_used_in_any_a_second_later(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey
) -> None:
    towns = await open_towns(stack, database_url, redis_url=valkey.url, services=2)
    before = [await towns.read(at=place) for place in (0, 1)]

    changed = await towns.move(1)
    here = await towns.read()
    is_known_there = await becomes(towns, people(1), at=1, within_seconds=1)

    assert (before, changed.status_code) == ([people(0)] * 2, 200)
    assert (here, is_known_there) == (people(1), True)


async def test_a_change_takes_back_what_is_remembered_once_it_is_committed_and_never_if_it_is_not(
    stack: AsyncExitStack, database_url: str
) -> None:
    towns = await open_towns(stack, database_url, redis_url=None, services=1)
    await towns.read()

    refused = await towns.move(1, fails=True)
    not_changed = await towns.read()
    committed = await towns.move(2)
    changed = await towns.read()

    assert (refused.status_code, not_changed) == (409, people(0))
    assert (committed.status_code, changed) == (200, people(2))
    assert towns.office.asked["Ulm"] == 2
