"""Only our own host names are served."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.web.middleware.trusted_hosts import HostNames
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

HOSTS = ["api.example.com", "*.shop.example.com", "[::1]", "Mixed.Example.com"]


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url, allowed_hosts=HOSTS)) as running:
        yield running


@pytest.mark.parametrize(
    "host",
    [
        "api.example.com",
        "api.example.com:8000",
        "API.Example.COM",
        "mixed.example.com",
        "eu.shop.example.com",
        "a.b.shop.example.com:443",
        "[::1]",
        "[::1]:8000",
    ],
)
async def test_our_names_are_served(running: RunningService, host: str) -> None:
    response = await running.client.get("/health/live", headers={"host": host})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.com",
        "api.example.com.evil.com",
        "evilapi.example.com",
        "shop.example.com",
        "evilshop.example.com",
        "[::2]:8000",
        "[::1",
        "[::1]evil.com",
        "api.example.com@evil.com",
        "127.0.0.1",
    ],
)
async def test_any_other_name_is_refused_with_a_problem(running: RunningService, host: str) -> None:
    response = await running.client.get("/health/live", headers={"host": host})

    assert response.status_code == 400
    assert response.json()["detail"] == "This host name is not served here."
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_a_name_is_answered_the_same_every_time(running: RunningService) -> None:
    hosts = ["api.example.com", "evil.com", "API.example.com"] * 2

    answers = [await running.client.get("/health/live", headers={"host": host}) for host in hosts]

    assert [answer.status_code for answer in answers] == [200, 400, 200] * 2


async def test_names_that_are_sent_once_are_not_kept() -> None:
    hosts = HostNames(HOSTS)

    found = [hosts.is_listed(b"%d.evil.com" % number) for number in range(1000)]

    assert not any(found)
    assert hosts.is_listed.cache_info().currsize < 100


async def not_reached(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize("second", ["evil.com", "api.example.com"])
async def test_two_names_at_once_are_refused(running: RunningService, second: str) -> None:
    url = running.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)

    # No client library would send this.
    writer.write(f"GET /health/live HTTP/1.1\r\nHost: api.example.com\r\nHost: {second}\r\n\r\n".encode())
    status_line = await asyncio.wait_for(reader.readline(), timeout=10)

    writer.close()
    assert status_line.startswith(b"HTTP/1.1 400 ")


async def test_a_wildcard_lets_everything_through(service: RunningService) -> None:
    response = await service.client.get("/health/live", headers={"host": "anything.example.org"})

    assert response.status_code == 200
