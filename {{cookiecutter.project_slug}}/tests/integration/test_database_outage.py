"""PostgreSQL dies or hangs, and the service is well again by itself as soon as it is back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median

import pytest
from fastapi import APIRouter
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.checks import Check
from app.health import watching
from app.security.public import public
from app.web.dependencies import Session
from tests.support.databases import Databases, fetch
from tests.support.metrics import Scrape, scrape
from tests.support.outages import BreakablePostgres
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually, happens

ROUTER = APIRouter(prefix="/v1/outage")


@ROUTER.get("/answer")
@public
async def answer(session: Session) -> int:
    return int(await session.scalar(text("SELECT 42")) or 0)


@ROUTER.get("/sleep")
@public
async def sleep(session: Session) -> None:
    await session.execute(text("SELECT pg_sleep(20)"))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakablePostgres]:
    folder: Path = tmp_path_factory.mktemp("outage")
    with BreakablePostgres(folder / "postgres", fast=True) as server:
        yield server


@pytest.fixture(scope="module")
def private_url(postgres: BreakablePostgres) -> Iterator[str]:
    with Databases(postgres.url).migrated() as url:
        yield url


@pytest.fixture
async def serving(private_url: str, no_cache: None) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=private_url), routers=[ROUTER]) as running:
        yield running


async def answers(service: RunningService, path: str, *, times: int) -> list[int]:
    responses = await asyncio.gather(*(service.client.get(path) for _ in range(times)))
    return [response.status_code for response in responses]


async def test_after_a_restart_the_first_requests_succeed(serving: RunningService, postgres: BreakablePostgres) -> None:
    before = await answers(serving, "/v1/outage/answer", times=8)

    await asyncio.to_thread(postgres.kill)
    during = [
        *await answers(serving, "/v1/outage/answer", times=8),
        *await answers(serving, "/health/live", times=1),
        *await answers(serving, "/health/ready", times=1),
        *await answers(serving, "/health/startup", times=1),
    ]
    await asyncio.to_thread(postgres.revive)
    after = [
        *await answers(serving, "/v1/outage/answer", times=8),
        *await answers(serving, "/health/ready", times=1),
    ]

    assert before == [200] * 8
    assert during == [503] * 8 + [200, 503, 503]
    assert after == [200] * 9


async def test_what_has_started_stays_started_and_the_log_tells_each_change_once(
    serving: RunningService, postgres: BreakablePostgres
) -> None:
    await answers(serving, "/health/ready", times=1)

    with capture_logs() as events:
        await asyncio.to_thread(postgres.kill)
        started = await answers(serving, "/health/startup", times=3)
        await asyncio.to_thread(postgres.revive)
        await answers(serving, "/health/ready", times=3)

    changes = [(event["component"], event["status"]) for event in events if event["event"] == "health_changed"]
    assert started == [200, 200, 200]
    assert sorted(changes) == [("database", "fail"), ("database", "pass"), ("schema", "fail"), ("schema", "pass")]


async def test_a_request_in_the_middle_of_a_statement_gets_a_503_that_names_no_internals(
    serving: RunningService, postgres: BreakablePostgres, private_url: str
) -> None:
    running = asyncio.create_task(serving.client.get("/v1/outage/sleep"))
    await eventually(lambda: is_sleeping(private_url))

    await asyncio.to_thread(postgres.kill)
    response = await running
    await asyncio.to_thread(postgres.revive)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.json()["detail"] == "The database cannot be reached. Try again shortly."


async def test_a_database_that_hangs_holds_the_report_no_longer_than_its_time(
    serving: RunningService, postgres: BreakablePostgres
) -> None:
    await answers(serving, "/health/ready", times=1)

    postgres.freeze()
    try:
        async with asyncio.timeout(10):
            response = await serving.client.get("/health/ready")
    finally:
        postgres.thaw()
    await eventually(lambda: is_ready(serving))

    assert response.status_code == 503
    assert response.json()["components"]["database"]["error"] == "no answer within 1 s"


@pytest.fixture
def frequent_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)


async def test_metrics_and_log_tell_of_it_although_nobody_asks_and_no_scrape_waits_for_it(
    frequent_looks: None, serving: RunningService, postgres: BreakablePostgres
) -> None:
    scrapes: list[tuple[Scrape, float]] = []

    async def shows(value: int) -> bool:
        began = time.monotonic()
        found = await scrape(serving.management)
        scrapes.append((found, time.monotonic() - began))
        is_there = "database" in found.labels("health_component_up", "component")
        return is_there and found.value("health_component_up", component="database") == value

    was_up = await happens(lambda: shows(1), within_seconds=20)
    with capture_logs() as events:
        postgres.freeze()
        try:
            went_down = await happens(lambda: shows(0), within_seconds=20)
        finally:
            postgres.thaw()
        came_back = await happens(lambda: shows(1), within_seconds=20)

    assert (was_up, went_down, came_back) == (True, True, True)
    changes = [event["status"] for event in events if event["event"] == "health_changed"]
    assert {"fail", "pass"} <= set(changes)
    assert median(seconds for _found, seconds in scrapes) < Check.timeout_seconds


async def is_ready(service: RunningService) -> bool:
    return await answers(service, "/health/ready", times=1) == [200]


async def is_sleeping(url: str) -> bool:
    return bool(await fetch(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
