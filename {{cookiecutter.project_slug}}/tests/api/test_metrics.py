"""What Prometheus scrapes: bounded labels, and gauges that come back to rest."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter
from starlette.responses import StreamingResponse

from app.security.public import public
from app.web.dependencies import CurrentResources
from tests.support.metrics import scrape
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually, until


class Measured:
    """Routes to measure; `/held` keeps its requests until the test lets them go."""

    def __init__(self) -> None:
        self.inside = 0
        self.let_go = asyncio.Event()
        self.router = APIRouter(prefix="/v1/measured")
        self.router.add_api_route("/items/{item}", show)
        self.router.add_api_route("/crash", crash)
        self.router.add_api_route("/held", self.hold)
        self.router.add_api_route("/endless", stream)
        self.router.add_api_route("/sale", sell)

    @public
    async def hold(self) -> None:
        self.inside += 1
        await self.let_go.wait()


@public
async def show(item: int) -> int:
    return item


@public
async def sell(resources: CurrentResources) -> None:
    resources.metrics.count_event("thing_sold")


@public
async def crash() -> None:
    raise RuntimeError


@public
async def stream() -> StreamingResponse:
    async def tick() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0.01)

    return StreamingResponse(tick())


@pytest.fixture
def measured() -> Measured:
    return Measured()


@pytest.fixture
async def serving(measured: Measured, database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=database_url), routers=[measured.router]) as running:
        yield running


async def in_flight(service: RunningService) -> float:
    return (await scrape(service.management)).value("http_requests_in_flight")


async def is_at_rest(service: RunningService) -> bool:
    return await in_flight(service) == 0


async def test_requests_are_counted_by_template_method_and_status(serving: RunningService) -> None:
    for item in ("1", "2", "x"):
        await serving.client.get(f"/v1/measured/items/{item}")

    found = await scrape(serving.management)

    route = "/v1/measured/items/{item}"
    assert found.value("http_requests_total", method="GET", route=route, status="200") == 2
    assert found.value("http_requests_total", method="GET", route=route, status="422") == 1
    assert found.value("http_request_duration_seconds_count", method="GET", route=route) == 3


async def test_unknown_paths_and_methods_make_no_new_series(serving: RunningService) -> None:
    methods = ["PROPFIND", "PURGE", "REPORT", "MKCOL"]
    for number in range(20):
        await serving.client.request(methods[number % 4], f"/scan/{number}.php")

    found = await scrape(serving.management)

    assert found.value("http_requests_total", method="OTHER", route="unmatched", status="404") == 20
    assert found.labels("http_requests_total", "route") == {"unmatched"}
    assert found.labels("http_requests_total", "method") == {"OTHER"}


async def test_a_crash_counts_as_500_and_leaves_nothing_in_flight(serving: RunningService) -> None:
    await serving.client.get("/v1/measured/crash")

    found = await scrape(serving.management)

    assert found.value("http_requests_total", method="GET", route="/v1/measured/crash", status="500") == 1
    assert found.value("http_requests_in_flight") == 0


async def test_requests_being_served_are_in_flight(serving: RunningService, measured: Measured) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(serving.client.get("/v1/measured/held"))
        await until(lambda: measured.inside == 3)
        during = await in_flight(serving)
        measured.let_go.set()

    assert during == 3
    await eventually(lambda: is_at_rest(serving))


async def test_a_caller_who_hangs_up_leaves_nothing_in_flight(serving: RunningService) -> None:
    async with serving.client.stream("GET", "/v1/measured/endless") as response:
        assert response.status_code == 200
        during = await in_flight(serving)

    assert during == 1
    await eventually(lambda: is_at_rest(serving))


async def test_the_pool_the_process_and_the_dependencies_are_measured(serving: RunningService) -> None:
    await serving.client.get("/health/ready")

    found = await scrape(serving.management)

    assert found.value("database_pool_connections", state="free") == 4
    assert found.value("database_pool_connections", state="used") == 0
    assert found.value("database_pool_waiting") == 0
    assert found.value("health_component_up", component="database") == 1
    assert found.value("process_resident_memory_bytes") > 0


async def test_what_happened_to_the_business_is_counted_in_its_own_words(serving: RunningService) -> None:
    for _ in range(2):
        await serving.client.get("/v1/measured/sale")

    found = await scrape(serving.management)

    assert found.value("business_events_total", event="thing_sold") == 2


async def test_the_public_port_tells_no_metrics_and_the_operators_port_serves_no_api(serving: RunningService) -> None:
    public = await serving.client.get("/metrics")
    api = await serving.management.get("/v1/measured/items/1")
    live = await serving.management.get("/health/live")

    assert (public.status_code, api.status_code, live.status_code) == (404, 404, 200)
    assert api.json()["request_id"] == api.headers["x-request-id"]
