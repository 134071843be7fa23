"""What callers and the log see when the database answers with trouble of its own."""

import asyncio
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import APIRouter
from sqlalchemy import text
from structlog.testing import capture_logs

from app.persistence import troubles
from app.security.public import public
from app.web.dependencies import CurrentResources, Session
from tests.support.databases import Databases, execute
from tests.support.outages import BreakablePostgres
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually

ROUTER = APIRouter(prefix="/v1/troubles")
PLANTED = "planted-in-a-row"


@ROUTER.post("/tables")
@public
async def make_table(session: Session) -> None:
    await session.execute(text("CREATE TABLE IF NOT EXISTS troubles (id int)"))


@ROUTER.get("/tables")
@public
async def read_nothing(resources: CurrentResources) -> None:
    await resources.database.read(lambda connection: connection.execute(text("SELECT 1")))


@ROUTER.post("/wrong-values")
@public
async def send_wrong_value(session: Session) -> None:
    await session.execute(text("SELECT CAST(CAST(:value AS text) AS int)"), {"value": PLANTED})


@ROUTER.post("/raised/{code}")
@public
async def raise_code(session: Session, code: str) -> None:
    await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"))


@pytest.fixture
def troubled_url(databases: Databases) -> Iterator[str]:
    with databases.migrated() as url:
        yield url


def demote(url: str) -> None:
    execute(url, f'ALTER DATABASE "{name_of(url)}" SET default_transaction_read_only = on')


def promote(url: str) -> None:
    reset = f'ALTER DATABASE "{name_of(url)}" RESET default_transaction_read_only'
    execute(url, "SET default_transaction_read_only = off", reset)


def name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


async def test_a_database_that_became_read_only_is_unavailable_until_it_is_not(troubled_url: str) -> None:
    await asyncio.to_thread(demote, troubled_url)
    async with run_service(settings_for(database_url=troubled_url), routers=[ROUTER]) as service:
        demoted = await service.client.post("/v1/troubles/tables")
        await asyncio.to_thread(promote, troubled_url)
        promoted = await service.client.post("/v1/troubles/tables")

    assert (demoted.status_code, promoted.status_code) == (503, 200)
    assert demoted.headers["retry-after"] == "2"


async def test_the_log_tells_once_why_requests_are_refused_and_once_that_it_is_over(
    troubled_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "QUIET_SECONDS", 0.0)

    await asyncio.to_thread(demote, troubled_url)
    async with run_service(settings_for(database_url=troubled_url), routers=[ROUTER]) as service:
        with capture_logs() as events:
            answers = []
            for _ in range(3):
                answers.append(await service.client.post("/v1/troubles/tables"))
                answers.append(await service.client.get("/v1/troubles/tables"))
            during = told(events)
            await asyncio.to_thread(promote, troubled_url)
            await eventually(lambda: can_write(service))

    assert [answer.status_code for answer in answers] == [503, 200] * 3
    assert during == [("database_hindered", "cannot execute CREATE TABLE in a read-only transaction")]
    assert told(events)[1:] == [("database_recovered", "cannot execute CREATE TABLE in a read-only transaction")]


async def can_write(service: RunningService) -> bool:
    return (await service.client.post("/v1/troubles/tables")).status_code == 200


def told(events: Sequence[MutableMapping[str, Any]]) -> list[tuple[str, str]]:
    """Of the database, and why."""
    return [(event["event"], event["cause"]) for event in events if event["event"].startswith("database_")]


@pytest.mark.parametrize("code", ["53100", "53200", "53300", "55P03"])
async def test_a_server_that_cannot_serve_is_no_crash(database_url: str, code: str) -> None:
    async with run_service(settings_for(database_url=database_url), routers=[ROUTER]) as service:
        response = await service.client.post(f"/v1/troubles/raised/{code}")

    assert response.status_code == 503


async def test_values_of_rows_do_not_reach_the_log(database_url: str) -> None:
    async with run_service(settings_for(database_url=database_url), routers=[ROUTER]) as service:
        with capture_logs() as events:
            response = await service.client.post("/v1/troubles/wrong-values")

    [crash] = [event for event in events if event["event"] == "crash"]
    assert response.status_code == 500
    assert "parameters" in str(crash["exc_info"])
    assert f"('{PLANTED}'" not in str(crash["exc_info"])


async def test_a_request_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    with BreakablePostgres(tmp_path / "postgres", fast=True) as server:
        database = {"statement_timeout_seconds": 0.2}
        settings = settings_for(database_url=server.url, database=database)
        async with run_service(settings, routers=[ROUTER]) as service:
            before = await service.client.post("/v1/troubles/tables")
            server.freeze()
            try:
                async with asyncio.timeout(15):
                    during = await service.client.post("/v1/troubles/tables")
            finally:
                server.thaw()
            after = await service.client.post("/v1/troubles/tables")

    assert [answer.status_code for answer in (before, during, after)] == [200, 503, 200]
