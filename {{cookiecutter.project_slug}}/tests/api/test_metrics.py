"""What Prometheus scrapes: bounded labels, and gauges that come back to rest."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from fastapi import APIRouter
from starlette.responses import StreamingResponse

from tests.support.metrics import Scrape, scrape
from tests.support.ports import free_port
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually, until

ROUTER = APIRouter(prefix="/v1/measured")


class Gate:
    """Holds requests of this module until the test opens it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.inside = 0


GATE = Gate()


@ROUTER.get("/items/{item}")
async def show(item: int) -> int:
    return item


@ROUTER.get("/crash")
async def crash() -> None:
    raise RuntimeError


@ROUTER.get("/held")
async def hold() -> None:
    GATE.inside += 1
    await GATE.opened.wait()
    GATE.inside -= 1


@ROUTER.get("/endless")
async def stream() -> StreamingResponse:
    async def tick() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0.01)

    return StreamingResponse(tick())


@dataclass(frozen=True)
class Measured:
    service: RunningService
    port: int

    async def scrape(self) -> Scrape:
        return await scrape(self.port)

    async def in_flight(self) -> float:
        return (await self.scrape()).value("http_requests_in_flight")

    async def is_at_rest(self) -> bool:
        return await self.in_flight() == 0


@pytest.fixture
async def measured(database_url: str) -> AsyncIterator[Measured]:
    GATE.opened.clear()
    port = free_port()
    async with run_service(settings_for(database_url=database_url, management={"port": port}), routers=[ROUTER]) as it:
        yield Measured(it, port)


async def test_requests_are_counted_by_template_method_and_status(measured: Measured) -> None:
    for item in ("1", "2", "x"):
        await measured.service.client.get(f"/v1/measured/items/{item}")

    found = await measured.scrape()

    route = "/v1/measured/items/{item}"
    assert found.value("http_requests_total", method="GET", route=route, status="200") == 2
    assert found.value("http_requests_total", method="GET", route=route, status="422") == 1
    assert found.value("http_request_duration_seconds_count", method="GET", route=route) == 3


async def test_unknown_paths_and_methods_make_no_new_series(measured: Measured) -> None:
    methods = ["PROPFIND", "PURGE", "REPORT", "MKCOL"]
    for number in range(20):
        await measured.service.client.request(methods[number % 4], f"/scan/{number}.php")

    found = await measured.scrape()

    assert found.value("http_requests_total", method="OTHER", route="unmatched", status="404") == 20
    assert found.labels("http_requests_total", "route") == {"unmatched"}
    assert found.labels("http_requests_total", "method") == {"OTHER"}


async def test_a_crash_counts_as_500_and_leaves_nothing_in_flight(measured: Measured) -> None:
    await measured.service.client.get("/v1/measured/crash")

    found = await measured.scrape()

    assert found.value("http_requests_total", method="GET", route="/v1/measured/crash", status="500") == 1
    assert found.value("http_requests_in_flight") == 0


async def test_requests_being_served_are_in_flight(measured: Measured) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(measured.service.client.get("/v1/measured/held"))
        await until(lambda: GATE.inside == 3)
        during = await measured.in_flight()
        GATE.opened.set()

    assert during == 3
    await eventually(measured.is_at_rest)


async def test_a_caller_who_hangs_up_leaves_nothing_in_flight(measured: Measured) -> None:
    async with measured.service.client.stream("GET", "/v1/measured/endless") as response:
        assert response.status_code == 200
        during = await measured.in_flight()

    assert during == 1
    await eventually(measured.is_at_rest)


async def test_the_pool_the_process_and_the_dependencies_are_measured(measured: Measured) -> None:
    await measured.service.client.get("/health/ready")

    found = await measured.scrape()

    assert found.value("database_pool_connections", state="free") == 4
    assert found.value("database_pool_connections", state="used") == 0
    assert found.value("database_pool_waiting") == 0
    assert found.value("health_component_up", component="database") == 1
    assert found.value("process_resident_memory_bytes") > 0


async def test_the_public_port_tells_no_metrics_and_the_operators_port_serves_no_api(measured: Measured) -> None:
    operators = f"http://127.0.0.1:{measured.port}"

    public = await measured.service.client.get("/metrics")
    async with httpx2.AsyncClient(base_url=operators) as client:
        api = await client.get("/v1/measured/items/1")
        live = await client.get("/health/live")

    assert (public.status_code, api.status_code, live.status_code) == (404, 404, 200)
    assert api.json()["request_id"] == api.headers["x-request-id"]
