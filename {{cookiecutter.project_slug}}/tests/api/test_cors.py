"""Pages of listed origins may call the API, others may not."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter

from app.assembly.middleware import EXPOSED
from app.security.public import public
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

OURS, THEIRS = "https://shop.example.com", "https://evil.example.com"
ROUTER = APIRouter(prefix="/v1/cors")


@ROUTER.get("/crash")
@public
async def crash() -> None:
    raise RuntimeError


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    settings = settings_for(database_url=worker_database_url, cors={"origins": [OURS]})
    async with run_service(settings, routers=[ROUTER]) as running:
        yield running


async def preflight(service: RunningService, origin: str) -> httpx2.Response:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    return await service.client.options("/v1/cors/crash", headers=headers)


@pytest.mark.parametrize(("path", "status"), [("/health/live", 200), ("/nowhere", 404), ("/v1/cors/crash", 500)])
async def test_a_listed_origin_may_read_every_answer(running: RunningService, path: str, status: int) -> None:
    response = await running.client.get(path, headers={"origin": OURS})

    assert response.status_code == status
    assert response.headers.get("access-control-allow-origin") == OURS
    assert response.headers["access-control-expose-headers"] == ", ".join(EXPOSED)
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/v1/cors/crash"])
async def test_another_origin_gets_no_permission(running: RunningService, path: str) -> None:
    response = await running.client.get(path, headers={"origin": THEIRS})

    assert "access-control-allow-origin" not in response.headers


async def test_a_preflight_of_a_listed_origin_is_granted(running: RunningService) -> None:
    response = await preflight(running, OURS)

    assert response.status_code == 200
    assert response.headers.get("access-control-allow-origin") == OURS
    assert "POST" in response.headers["access-control-allow-methods"]


async def test_a_preflight_of_another_origin_is_refused_with_a_problem(running: RunningService) -> None:
    response = await preflight(running, THEIRS)

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in response.headers
    assert response.json()["detail"] == "Disallowed CORS origin"
    assert response.json()["instance"] == "/v1/cors/crash"


async def test_without_listed_origins_nobody_gets_permission(service: RunningService) -> None:
    response = await service.client.get("/health/live", headers={"origin": OURS})
    refused = await preflight(service, OURS)

    assert "access-control-allow-origin" not in response.headers
    assert refused.is_client_error
    assert "access-control-allow-origin" not in refused.headers
