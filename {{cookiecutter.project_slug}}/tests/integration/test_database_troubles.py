"""What callers and the log see when the database answers with trouble of its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import APIRouter
from sqlalchemy import text
from structlog.testing import capture_logs

from app.security.public import public
from app.web.dependencies import Session
from tests.support.databases import Databases, execute
from tests.support.outages import BreakablePostgres
from tests.support.service import run_service
from tests.support.settings import settings_for

ROUTER = APIRouter(prefix="/v1/troubles")
PLANTED = "planted-in-a-row"


@ROUTER.post("/tables")
@public
async def make_table(session: Session) -> None:
    await session.execute(text("CREATE TABLE IF NOT EXISTS troubles (id int)"))


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


async def test_a_database_that_became_read_only_is_unavailable_until_it_is_not(troubled_url: str) -> None:
    name = urlsplit(troubled_url).path.removeprefix("/")
    demotion = f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
    promotion = (
        "SET default_transaction_read_only = off",
        f'ALTER DATABASE "{name}" RESET default_transaction_read_only',
    )

    await asyncio.to_thread(execute, troubled_url, demotion)
    async with run_service(settings_for(database_url=troubled_url), routers=[ROUTER]) as service:
        demoted = await service.client.post("/v1/troubles/tables")
        await asyncio.to_thread(execute, troubled_url, *promotion)
        promoted = await service.client.post("/v1/troubles/tables")

    assert (demoted.status_code, promoted.status_code) == (503, 200)
    assert demoted.headers["retry-after"] == "2"


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
