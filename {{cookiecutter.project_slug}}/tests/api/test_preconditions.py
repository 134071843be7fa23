"""If-Match: a change is made to the version that its author has seen, or not at all."""

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Response

from app.security.public import public
from app.web.openapi import problems
from app.web.preconditions import IfMatch, IfMatchMissing, set_etag
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

router = APIRouter()


@router.put("/clock", responses=problems(IfMatchMissing))
@public
async def wind_the_clock(seen: IfMatch, response: Response) -> str:
    """It is at version 3 and becomes version 4."""
    seen.require(3)
    set_etag(response, version=4)
    return "tick"


@pytest.fixture(scope="module")
async def service(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
        yield running


@pytest.mark.parametrize("if_match", ['"3"', '"1","3"', '"x", "3"', "*"])
async def test_a_version_that_was_seen_is_changed(service: RunningService, if_match: str) -> None:
    response = await service.client.put("/clock", headers={"If-Match": if_match})

    assert response.status_code == 200
    assert response.headers["etag"] == '"4"'


@pytest.mark.parametrize(
    "if_match", ['"2"', 'W/"3"', "3", '"3', '3"', '"33"', '"x"', "", ",", '"3" "4"', '"9999999999999"', "\xb3"]
)
async def test_any_other_is_refused(service: RunningService, if_match: str) -> None:
    response = await service.client.put("/clock", headers=[(b"If-Match", if_match.encode("latin-1"))])

    assert response.status_code == 412
    assert response.json()["type"] == "urn:problem:version-changed"


@pytest.mark.parametrize("lines", [['"2"', '"3"'], ['"3"', '"2"'], ['"1", "2"', 'W/"3"', '"3"']])
async def test_several_lines_are_one_list(service: RunningService, lines: list[str]) -> None:
    response = await service.client.put("/clock", headers=[("If-Match", line) for line in lines])

    assert response.status_code == 200


async def test_any_version_and_one_more_is_none(service: RunningService) -> None:
    response = await service.client.put("/clock", headers=[("If-Match", "*"), ("If-Match", '"2"')])

    assert response.status_code == 412


async def test_whoever_has_seen_none_is_told_to_look_first(service: RunningService) -> None:
    response = await service.client.put("/clock")

    assert response.status_code == 428
    assert response.json()["type"] == "urn:problem:if-match-missing"
