"""Lists in pages, whose cursors callers follow and cannot make."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from fastapi import APIRouter

from app.core.ids import new_id
from app.security.public import public
from app.web.dependencies import Paging
from app.web.pagination import ListItem, Page
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

ROWS = sorted((new_id() for _ in range(5)), reverse=True)

router = APIRouter()


@router.get("/rows")
@public
async def list_rows(paging: Paging) -> Page[ListItem]:
    """The newest first."""
    rows = [row for row in ROWS if paging.after is None or row < paging.after]
    return paging.page([ListItem(id=row) for row in rows[: paging.wanted]])


@pytest.fixture(scope="module")
async def service(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
        yield running


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
async def test_following_the_cursors_shows_each_row_once(service: RunningService, limit: int) -> None:
    seen: list[UUID] = []
    parameters = {"limit": str(limit)}
    while True:
        page = (await service.client.get("/rows", params=parameters)).json()
        seen += [UUID(item["id"]) for item in page["items"]]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]

    assert seen == ROWS


async def test_a_cursor_that_was_changed_is_refused(service: RunningService) -> None:
    cursor = (await service.client.get("/rows", params={"limit": "1"})).json()["next_cursor"]

    answers = [
        await service.client.get("/rows", params={"cursor": bad})
        for bad in ("x" + cursor[1:], cursor + "AA", "é", "%%")
    ]

    assert [answer.status_code for answer in answers] == [422] * 4
    assert answers[0].json()["type"] == "urn:problem:invalid-cursor"
