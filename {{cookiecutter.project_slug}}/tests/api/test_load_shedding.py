"""Under more requests than can be answered some are turned away, quickly and politely, and the others are served."""

import asyncio
from collections.abc import AsyncIterator, Iterable, MutableMapping
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from app.resilience import shedding_state
from app.web.middleware import load_shedding
from tests.support.clock import Clock
from tests.support.metrics import scrape
from tests.support.raw_http import head, raw_connection
from tests.support.service import RunningService
from tests.support.stage import Stage, holding, serving
from tests.support.waiting import comes_true, eventually, until

# No other test has as many.
REFUSED = 7

FORGED = {"authorization": "Bearer apikey_AAAAAAAAAAAA_" + 43 * "a"}


@pytest.fixture(scope="module")
def one_stage() -> Stage:
    return Stage()


@pytest.fixture
def stage(one_stage: Stage) -> Stage:
    one_stage.begin_anew()
    return one_stage


@pytest.fixture(scope="module")
async def impatient(one_stage: Stage, worker_database_url: str) -> AsyncIterator[RunningService]:
    async with serving(one_stage, worker_database_url, queue_seconds=0.02) as running:
        yield running


@pytest.fixture(scope="module")
async def patient(one_stage: Stage, worker_database_url: str) -> AsyncIterator[RunningService]:
    async with serving(one_stage, worker_database_url, queue_seconds=10) as running:
        yield running


async def test_one_request_too_many_is_told_to_come_back(impatient: RunningService, stage: Stage) -> None:
    async with holding(impatient, stage):
        response = await impatient.client.get("/v1/places/pass/a")
    afterwards = await impatient.client.get("/v1/places/pass/b")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["type"] == "urn:problem:overloaded"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert afterwards.status_code == 200
    assert stage.served == ["b"]


async def test_who_would_wait_in_vain_is_told_so_at_once(
    stage: Stage, worker_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(load_shedding, "time", SimpleNamespace(monotonic=clock))

    async with serving(stage, worker_database_url, queue_seconds=60) as service:
        async with holding(service, stage):
            first = asyncio.create_task(service.client.get("/v1/places/pass/first"))
            await eventually(lambda: is_in_line(service))
            clock.advance(21)
            second = asyncio.create_task(service.client.get("/v1/places/pass/second"))
            is_told = await comes_true(second.done, within_seconds=5)
        answers = await asyncio.gather(first, second)

    assert is_told
    assert [answer.status_code for answer in answers] == [200, 503]


async def is_in_line(service: RunningService) -> bool:
    return (await scrape(service.management)).value("http_concurrency_waiting") == 1


async def test_health_is_answered_all_the_same(impatient: RunningService, stage: Stage) -> None:
    async with holding(impatient, stage):
        statuses = [(await impatient.client.get(f"/health/{name}")).status_code for name in ("live", "ready")]

    assert statuses == [200, 200]


async def test_whoever_waits_is_served_in_the_order_of_arrival(patient: RunningService, stage: Stage) -> None:
    names = [str(number) for number in range(5)]
    async with asyncio.TaskGroup() as group, holding(patient, stage):
        for number, name in enumerate(names, start=1):
            group.create_task(patient.client.get(f"/v1/places/pass/{name}"))
            await until_waiting(patient, number)

    assert stage.served == names


async def until_waiting(service: RunningService, count: int) -> None:
    async def is_so() -> bool:
        return (await scrape(service.management)).value("http_concurrency_waiting") == count

    await eventually(is_so)


async def test_known_keys_are_served_first_and_forged_ones_are_not(patient: RunningService, stage: Stage) -> None:
    known = await patient.client_for("doors:pass")
    assert (await known.get("/v1/doors")).status_code == 200

    async with asyncio.TaskGroup() as group, holding(patient, stage):
        group.create_task(patient.client.get("/v1/places/pass/anonymous"))
        await until_waiting(patient, 1)
        group.create_task(patient.client.get("/v1/places/pass/forged", headers=FORGED))
        await until_waiting(patient, 2)
        group.create_task(known.get("/v1/places/pass/known"))
        await until_waiting(patient, 3)

    assert stage.served == ["known", "anonymous", "forged"]
    assert await refusals(patient) == 0


async def refusals(service: RunningService) -> float:
    found = await scrape(service.management)
    return sum(sample.value for sample in found.samples if sample.name == "caller_refusals_total")


async def test_an_answer_that_streams_takes_nobodys_place(impatient: RunningService, stage: Stage) -> None:
    async with holding(impatient, stage, "/v1/places/stream"):
        response = await impatient.client.get("/v1/places/pass/a")

    assert response.status_code == 200


async def test_a_body_that_arrives_slowly_takes_nobodys_place(patient: RunningService, stage: Stage) -> None:
    async with raw_connection(patient.client.base_url) as connection:
        await connection.send(head("POST", "/v1/places/body", "Content-Length: 4"), b"ab")
        meanwhile = await patient.client.get("/v1/places/pass/a")
        await connection.send(b"cd")
        status = await connection.status()

    assert (meanwhile.status_code, status) == (200, 200)
    assert await in_flight(patient) == 0


async def test_who_sends_the_rest_while_others_have_the_places_is_turned_away_like_anybody(
    impatient: RunningService, stage: Stage
) -> None:
    async with raw_connection(impatient.client.base_url) as connection:
        await connection.send(head("POST", "/v1/places/body", "Content-Length: 4"), b"ab")
        await eventually(lambda: somebody_stands_aside(impatient))
        async with holding(impatient, stage):
            await connection.send(b"cd")
            status = await connection.status()

    assert status == 503
    assert await in_flight(impatient) == 0


async def test_one_who_stops_sending_leaves_nothing_behind(patient: RunningService, stage: Stage) -> None:
    async with raw_connection(patient.client.base_url) as connection:
        await connection.send(head("POST", "/v1/places/body", "Content-Length: 4"), b"ab")
        meanwhile = await patient.client.get("/v1/places/pass/a")
    afterwards = await patient.client.get("/v1/places/pass/b")

    assert (meanwhile.status_code, afterwards.status_code) == (200, 200)
    await eventually(lambda: nobody_is_in(patient))


async def test_a_crash_gives_its_place_back(impatient: RunningService, stage: Stage) -> None:
    crashed = await impatient.client.get("/v1/places/crash")
    response = await impatient.client.get("/v1/places/pass/a")

    assert (crashed.status_code, response.status_code) == (500, 200)
    assert await in_flight(impatient) == 0


async def nobody_is_in(service: RunningService) -> bool:
    return await in_flight(service) == 0


async def somebody_stands_aside(service: RunningService) -> bool:
    return (await scrape(service.management)).value("http_requests_in_flight") == 1 and await nobody_is_in(service)


async def in_flight(service: RunningService) -> float:
    return (await scrape(service.management)).value("http_concurrency_in_flight")


async def test_a_caller_who_leaves_the_line_takes_nothing_along(patient: RunningService, stage: Stage) -> None:
    async with holding(patient, stage):
        leaving = asyncio.create_task(patient.client.get("/v1/places/pass/a", timeout=0.05))
        with pytest.raises(httpx2.ReadTimeout):
            await leaving
    response = await patient.client.get("/v1/places/pass/b")

    assert response.status_code == 200
    assert await in_flight(patient) == 0


async def test_what_was_turned_away_is_counted(stage: Stage, worker_database_url: str) -> None:
    async with serving(stage, worker_database_url, queue_seconds=0.02) as service:
        known = await service.client_for("doors:pass")
        await known.get("/v1/doors")
        async with holding(service, stage):
            await known.get("/v1/places/pass/a")
            await service.client.get("/v1/places/pass/a")
            await service.client.get("/v1/places/pass/a", headers=FORGED)
            during = await scrape(service.management)

    assert during.value("http_requests_shed_total", priority="authenticated") == 1
    assert during.value("http_requests_shed_total", priority="anonymous") == 2
    assert during.value("http_concurrency_limit") == 1
    assert during.value("http_concurrency_in_flight") == 1


async def test_the_log_says_when_it_begins_and_when_it_ends_and_no_more(
    stage: Stage, worker_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shedding_state, "CALM_SECONDS", 0.1)
    async with serving(stage, worker_database_url, queue_seconds=0.02) as service:
        with capture_logs() as events:
            async with holding(service, stage):
                for _ in range(REFUSED):
                    await service.client.get("/v1/places/pass/a")
            await until(lambda: REFUSED in [event.get("refused") for event in events])

    # Services of the tests before may say only now that it ended with them.
    names = names_of(event for event in events if event.get("refused", REFUSED) == REFUSED)
    assert [name for name in names if name.startswith("shedding")] == ["shedding_began", "shedding_ended"]
    assert [event["route"] for event in events if event["event"] == "request"] == ["/v1/places/hold"]


def names_of(events: Iterable[MutableMapping[str, Any]]) -> list[str]:
    return [event["event"] for event in events]
