"""What the database refuses although the schema let it through is no crash."""

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter
from sqlalchemy import text
from structlog.testing import capture_logs

from app.security.keys import new_key
from app.security.public import public
from app.web.dependencies import Session
from tests.support import doors, playground
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

mistaken = APIRouter(prefix="/v1/mistake")


@mistaken.get("")
@public
async def read_nothing(session: Session) -> None:
    await session.execute(text("SELECT colour FROM api_keys"))


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    settings = settings_for(database_url=worker_database_url)
    async with run_service(settings, routers=[doors.router, playground.router, mistaken]) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/toys?name=a%00b", None),
        ("GET", "/v1/toys/named/%00/1", None),
        ("POST", "/v1/toys", {"name": "a\0b", "count": 1}),
        ("GET", f"/v1/doors/rooms/{2**31}", None),
        ("GET", f"/v1/doors/rooms/{-(2**64)}", None),
    ],
)
async def test_a_value_that_postgresql_has_no_place_for_is_refused(
    running: RunningService, method: str, path: str, body: object
) -> None:
    caller = await running.client_for("toys:use", "doors:pass")

    with capture_logs() as events:
        response = await caller.request(method, path, json=body)

    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:value-not-storable")
    assert [event for event in events if event["log_level"] == "error"] == []


async def test_before_its_migration_it_tells_callers_to_come_back(empty_database_url: str) -> None:
    settings = settings_for(database_url=empty_database_url)
    headers = {"Authorization": f"Bearer {new_key().text}"}
    async with run_service(settings, routers=[doors.router]) as running:
        with capture_logs() as events:
            response, _again = [await running.client.get("/v1/doors", headers=headers) for _ in range(2)]

    assert (response.status_code, response.json()["type"]) == (503, "urn:problem:schema-missing")
    assert response.headers["retry-after"] == "5"
    assert "api_keys" not in response.text
    [told] = [event for event in events if event["log_level"] == "error"]
    assert (told["event"], told["cause"]) == ("schema_missing", 'relation "api_keys" does not exist')
    assert told["advice"].startswith("Run `app migrate`.")


async def test_a_query_for_a_column_that_nobody_made_is_a_crash_and_told_so(running: RunningService) -> None:
    with capture_logs() as events:
        response = await running.client.get("/v1/mistake")

    assert (response.status_code, "retry-after" in response.headers) == (500, False)
    assert [event["event"] for event in events if event["log_level"] == "error"] == ["crash"]
