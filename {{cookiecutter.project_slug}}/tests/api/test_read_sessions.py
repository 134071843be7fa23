"""A route that only reads needs no transaction, and cannot write by mistake."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from fastapi import APIRouter
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.ids import new_id
from app.persistence.after_commit import after_commit
from app.security.models import ApiKey
from app.security.public import public
from app.web.dependencies import ReadSession
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

router = APIRouter(prefix="/v1/reading")

NOW = text("SELECT now()")


@router.get("")
@public
async def read_twice(session: ReadSession) -> list[datetime]:
    """PostgreSQL's `now()` is when the transaction began."""
    return [(await session.execute(NOW)).scalar_one() for _ in range(2)]


@router.post("")
@public
async def write_by_mistake(session: ReadSession) -> None:
    session.add(ApiKey(prefix="abcdefghijkl", tenant_id=new_id()))
    await session.flush()


@router.put("")
@public
async def promise_by_mistake(session: ReadSession) -> None:
    after_commit(session, idle)


async def idle() -> None:
    """Nothing is committed, so it would never be done."""


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
        yield running


async def test_each_statement_of_a_read_stands_by_itself(running: RunningService) -> None:
    first, second = (await running.client.get("/v1/reading")).json()

    assert first < second


async def test_with_little_time_left_a_read_is_a_transaction_whose_statements_can_be_given_less(
    running: RunningService,
) -> None:
    first, second = (await running.client.get("/v1/reading", headers={"X-Request-Timeout": "2"})).json()

    assert first == second


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("seconds", ["20", "2"])
async def test_what_is_added_to_a_read_is_a_crash_and_not_half_a_change(
    running: RunningService, method: str, seconds: str
) -> None:
    with capture_logs() as events:
        response = await running.client.request(method, "/v1/reading", headers={"X-Request-Timeout": seconds})

    assert response.status_code == 500
    [crash] = [event for event in events if event["event"] == "crash"]
    assert "only reads" in str(crash["exc_info"])
