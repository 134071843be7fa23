"""A route that only reads needs no transaction, and what it changes in what it has read is written nowhere."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from fastapi import APIRouter
from sqlalchemy import select, text

from app.security.models import ApiKey
from app.security.public import public
from app.web.dependencies import CurrentReader, CurrentResources
from tests.support.databases import fetch
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

router = APIRouter(prefix="/v1/reading")

NOW = text("SELECT now()")


@router.get("")
@public
async def read_twice(resources: CurrentResources) -> list[datetime]:
    """PostgreSQL's `now()` is when the transaction began."""
    return await resources.database.read(lambda connection: [connection.execute(NOW).scalar_one() for _ in range(2)])


@router.post("/keys")
@public
async def rename_by_mistake(reader: CurrentReader) -> list[str]:
    found = await reader.all(ApiKey, select(ApiKey))
    for key in found:
        key.name = "another's"
    return [key.prefix for key in found]


@pytest.fixture
async def running(database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=database_url), routers=[router]) as running:
        yield running


async def test_each_statement_of_a_read_stands_by_itself(running: RunningService) -> None:
    first, second = (await running.client.get("/v1/reading")).json()

    assert first < second


async def test_with_little_time_left_a_read_is_a_transaction_whose_statements_can_be_given_less(
    running: RunningService,
) -> None:
    first, second = (await running.client.get("/v1/reading", headers={"X-Request-Timeout": "2"})).json()

    assert first == second


@pytest.mark.parametrize("seconds", ["20", "2"])
async def test_what_is_changed_in_what_was_read_is_written_nowhere(
    running: RunningService, database_url: str, seconds: str
) -> None:
    await running.client_for("doors:pass")
    before = await fetch(database_url, "SELECT api_keys::text FROM api_keys")

    found = await running.client.post("/v1/reading/keys", headers={"X-Request-Timeout": seconds})

    assert len(found.json()) == 1
    assert await fetch(database_url, "SELECT api_keys::text FROM api_keys") == before
