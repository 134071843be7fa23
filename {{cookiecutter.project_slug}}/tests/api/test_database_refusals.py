"""What the database refuses although the schema let it through is no crash."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from app.security.keys import new_key
from tests.support import doors, playground
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    settings = settings_for(database_url=worker_database_url)
    async with run_service(settings, routers=[doors.router, playground.router]) as running:
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
            response = await running.client.get("/v1/doors", headers=headers)

    assert (response.status_code, response.json()["type"]) == (503, "urn:problem:schema-missing")
    assert response.headers["retry-after"] == "5"
    assert "api_keys" not in response.text
    [told] = [event for event in events if event["log_level"] == "error"]
    assert (told["event"], told["cause"]) == ("schema_missing", 'relation "api_keys" does not exist')
