"""A wrong method is told all that are right, also where several routes share a path."""

from collections.abc import AsyncIterator

import pytest

from tests.support import doors
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[doors.router]) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/doors", "GET, POST"),
        ("/v1/doors/bell", "GET"),
        ("/v1/doors/rooms/7", "GET"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_all_that_are_right(running: RunningService, path: str, allowed: str) -> None:
    response = await running.client.delete(path)

    assert response.status_code == 405
    assert response.headers.get_list("allow") == [allowed]


async def test_where_nothing_is_there_is_no_method_to_tell(running: RunningService) -> None:
    response = await running.client.delete("/v1/doors/nowhere")

    assert response.status_code == 404
    assert "allow" not in response.headers
