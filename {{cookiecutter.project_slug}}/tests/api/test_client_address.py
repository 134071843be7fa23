"""Behind proxies the service knows its callers by their own addresses, and nobody can choose one."""

from collections.abc import AsyncIterator, Sequence

import pytest
from fastapi import APIRouter, Request
from structlog.testing import capture_logs

from app.security.public import public
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

HERE, CALLER = "127.0.0.1", "203.0.113.9"
ROUTER = APIRouter(prefix="/v1/mirror")

Headers = Sequence[tuple[str, str]]


@ROUTER.get("")
@public
async def look(request: Request) -> dict[str, str | None]:
    return {"client": request.client.host if request.client else None, "scheme": request.url.scheme}


@pytest.fixture(scope="module")
async def direct(worker_database_url: str) -> AsyncIterator[RunningService]:
    """Nothing stands before it."""
    async with run_service(settings_for(database_url=worker_database_url), routers=[ROUTER]) as running:
        yield running


@pytest.fixture(scope="module")
async def proxied(worker_database_url: str) -> AsyncIterator[RunningService]:
    """Its proxy is the test, and another one may stand before that."""
    settings = settings_for(database_url=worker_database_url, trusted_proxies=[HERE, "10.0.0.0/8"])
    async with run_service(settings, routers=[ROUTER]) as running:
        yield running


async def seen_by(service: RunningService, *headers: tuple[str, str]) -> tuple[str, str]:
    answer = (await service.client.get("/v1/mirror", headers=list(headers))).json()
    return answer["client"], answer["scheme"]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-For", CALLER), ("X-Forwarded-Proto", "https")],
        [("Forwarded", f"for={CALLER};proto=https")],
        [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", f"{CALLER}, 10.1.2.3"), ("X-Forwarded-Proto", "https")],
    ],
)
async def test_behind_a_proxy_the_caller_is_known_by_its_own_address(proxied: RunningService, headers: Headers) -> None:
    assert await seen_by(proxied, *headers) == (CALLER, "https")


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-For", CALLER), ("X-Forwarded-Proto", "https")],
        [("Forwarded", f"for={CALLER};proto=https")],
        [("X-Forwarded-For", HERE), ("X-Real-IP", CALLER)],
    ],
)
async def test_without_a_proxy_nobody_chooses_its_address(direct: RunningService, headers: Headers) -> None:
    assert await seen_by(direct, *headers) == (HERE, "http")


async def test_the_access_log_names_the_caller_and_not_the_proxy(worker_database_url: str) -> None:
    # A service of its own: the access log goes where logs went when its application was made.
    settings = settings_for(database_url=worker_database_url, trusted_proxies=[HERE])
    async with run_service(settings, routers=[ROUTER]) as service:
        with capture_logs() as lines:
            await seen_by(service, ("X-Forwarded-For", CALLER))

    assert [line["client"] for line in lines if line["event"] == "request"] == [CALLER]


async def test_a_proxy_that_is_not_listed_is_told_of_once(worker_database_url: str) -> None:
    async with run_service(settings_for(database_url=worker_database_url), routers=[ROUTER]) as service:
        with capture_logs() as lines:
            for _ in range(3):
                await seen_by(service, ("X-Forwarded-For", CALLER))

    told = [line for line in lines if line["event"] == "proxy_not_trusted"]
    assert [(line["peer"], "TRUSTED_PROXIES" in line["advice"]) for line in told] == [(HERE, True)]
