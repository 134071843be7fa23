"""The three questions of an orchestrator, answered over HTTP."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.persistence.migrations import migrate
from tests.support.databases import options_for
from tests.support.revisions import overtake
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually

NOWHERE = "postgresql://nobody@/nothing?host=/nowhere"


async def status_of(service: RunningService, question: str) -> tuple[int, str]:
    response = await service.client.get(f"/health/{question}")
    return response.status_code, response.json()["status"]


async def test_a_well_service_says_so_with_its_components(service: RunningService) -> None:
    response = await service.client.get("/health/ready")

    components = response.json()["components"]
    assert (response.status_code, response.json()["status"]) == (200, "pass")
    assert response.headers["cache-control"] == "no-store"
    assert {name: component["critical"] for name, component in components.items()} == {
        "database": True,
        "schema": True,
        "redis": False,
    }


async def test_without_a_database_it_lives_but_is_neither_ready_nor_started() -> None:
    async with run_service(settings_for(database_url=NOWHERE)) as service:
        answers = {question: await status_of(service, question) for question in ("live", "ready", "startup")}

    assert answers == {"live": (200, "pass"), "ready": (503, "fail"), "startup": (503, "fail")}


async def test_whoever_asks_with_head_gets_the_status_alone() -> None:
    async with run_service(settings_for(database_url=NOWHERE)) as service:
        answers = [await service.client.head(f"/health/{question}") for question in ("live", "ready", "startup")]

    assert [answer.status_code for answer in answers] == [200, 503, 503]
    assert [answer.content for answer in answers] == [b"", b"", b""]


async def test_a_failing_dependency_tells_no_internals() -> None:
    async with run_service(settings_for(database_url=NOWHERE)) as service:
        response = await service.client.get("/health/ready")

    assert response.json()["components"]["database"]["error"] == "unavailable"
    assert "nowhere" not in response.text


async def test_while_draining_it_is_not_ready_but_lives(database_url: str) -> None:
    async with run_service(settings_for(database_url=database_url)) as service:
        before = await status_of(service, "ready")
        service.app.state.draining.begin()
        answers = {question: await status_of(service, question) for question in ("live", "ready", "startup")}

    assert before == (200, "pass")
    assert answers == {"live": (200, "pass"), "ready": (503, "draining"), "startup": (200, "draining")}


async def test_the_operators_port_answers_too(service: RunningService) -> None:
    questions = ("live", "ready", "startup")

    answers = [(await service.management.get(f"/health/{question}")).status_code for question in questions]

    assert answers == [200, 200, 200]


async def test_it_becomes_ready_once_the_schema_is_there(empty_database_url: str, no_cache: None) -> None:
    async with run_service(settings_for(database_url=empty_database_url)) as service:
        behind = await service.client.get("/health/ready")
        await migrate(options_for(empty_database_url))
        await eventually(lambda: is_ready(service))

    assert behind.status_code == 503
    error = behind.json()["components"]["schema"]["error"]
    assert error.startswith("The schema is behind this release (")
    assert error.endswith("): run `app migrate`.")


@pytest.mark.parametrize("revisions", [["platform_9999"], ["service_9999"], ["platform_9999", "service_9999"]])
async def test_a_newer_schema_is_fine_after_a_restart_too_and_logged_once(
    empty_database_url: str, *, revisions: list[str], no_cache: None
) -> None:
    await migrate(options_for(empty_database_url))
    await asyncio.to_thread(overtake, empty_database_url, revisions)

    seen: list[Any] = []
    for _restart in range(2):
        async with run_service(settings_for(database_url=empty_database_url)) as service:
            with capture_logs() as events:
                seen += [await status_of(service, "ready") for _ in range(2)]
            seen.append([event["revisions"] for event in events if event["event"] == "schema_is_ahead"])

    assert seen == [(200, "pass"), (200, "pass"), [revisions]] * 2


async def is_ready(service: RunningService) -> bool:
    return (await service.client.get("/health/ready")).status_code == 200
