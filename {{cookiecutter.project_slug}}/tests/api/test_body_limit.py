"""Bodies: how large, how slow and how packed they may be, however they arrive."""

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Body, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from app.security.public import public
from tests.support.raw_http import chunked, head, raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

LIMIT = 1000
SECONDS = 0.5
JSON = {"content-type": "application/json"}

router = APIRouter(prefix="/v1/bodies")


@router.post("/raw")
@public
async def count_bytes(request: Request) -> int:
    return len(await request.body())


@router.post("/json")
@public
async def count_items(items: Annotated[list[int], Body()]) -> int:
    return len(items)


@router.post("/large", max_body_size=3 * LIMIT)
@public
async def count_more(items: Annotated[list[int], Body()]) -> int:
    return len(items)


@router.post("/slowly")
@public
async def answer_slowly(items: Annotated[list[int], Body()]) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "at "
        await asyncio.sleep(1.5 * SECONDS)
        yield "last"

    return StreamingResponse(parts())


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with serving(worker_database_url, seconds=SECONDS) as running:
        yield running


@pytest.fixture
async def patient(worker_database_url: str) -> AsyncIterator[RunningService]:
    """However busy the machine is, a body arrives in time."""
    async with serving(worker_database_url, seconds=60.0) as running:
        yield running


@asynccontextmanager
async def serving(database_url: str, *, seconds: float) -> AsyncIterator[RunningService]:
    settings = settings_for(database_url=database_url, body={"limit_bytes": LIMIT, "timeout_seconds": seconds})
    async with run_service(settings, routers=[router]) as running:
        yield running


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body whose length nobody announces."""
    for piece in pieces:
        yield piece


def zeros(count: int) -> bytes:
    """A list in JSON."""
    return b"[" + b",".join([b"0"] * count) + b"]"


@pytest.mark.parametrize("path", ["/v1/bodies/raw", "/v1/bodies/json"])
@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_body_over_the_limit_is_refused_with_a_problem(
    running: RunningService, *, path: str, is_announced: bool
) -> None:
    body = zeros(LIMIT)
    content = body if is_announced else in_pieces(body[:900], body[900:])

    response = await running.client.post(path, content=content, headers=JSON)

    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "The body is larger than 1000 bytes, the most that is read here."
    assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_body_as_large_as_the_limit_is_read(running: RunningService, *, is_announced: bool) -> None:
    body = b"x" * LIMIT
    content = body if is_announced else in_pieces(body[:999], body[999:])

    response = await running.client.post("/v1/bodies/raw", content=content)

    assert response.json() == LIMIT


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(LIMIT - 5, LIMIT + 5), cuts=st.lists(st.integers(0, LIMIT + 5), max_size=6).map(sorted))
async def test_however_a_body_is_cut_it_gets_the_same_answer(
    running: RunningService, size: int, cuts: list[int]
) -> None:
    body = b"x" * size
    places = [0, *cuts, size]
    pieces = [body[start:end] for start, end in pairwise(places)]

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("POST", "/v1/bodies/raw", "Transfer-Encoding: chunked"), *chunked(pieces))
        status = await connection.status()

    assert status == (200 if size <= LIMIT else 413)


async def test_what_announces_too_much_is_refused_before_it_is_sent(running: RunningService) -> None:
    start = head("POST", "/v1/bodies/raw", "Content-Length: 5000000000", "Expect: 100-continue")

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(start)
        status = await connection.status()
        rest = await connection.rest()

    assert status == 413
    assert b"connection: close" in rest


async def test_what_goes_on_after_the_refusal_is_thrown_away(patient: RunningService) -> None:
    body = in_pieces(*[b"x" * 65_536] * 300)

    tracemalloc.start()
    response = await patient.client.post("/v1/bodies/raw", content=body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert response.status_code == 413
    assert peak < 5_000_000


async def test_a_caller_who_does_not_stop_is_cut_off(running: RunningService) -> None:
    piece = chunked([b"x" * 65_536])[0]

    async with raw_connection(running.client.base_url) as connection, asyncio.timeout(20 * SECONDS):
        await connection.send(head("POST", "/v1/bodies/raw", "Transfer-Encoding: chunked"), piece)
        status = await connection.status()
        with pytest.raises(ConnectionError):
            await connection.send_for_ever(piece)

    assert status == 413


@pytest.mark.parametrize("body", [zeros(LIMIT), zeros(2 * LIMIT)])
async def test_a_route_may_take_more_and_says_so_in_its_decorator(running: RunningService, body: bytes) -> None:
    response = await running.client.post("/v1/bodies/large", content=body, headers=JSON)

    refused = len(body) > 3 * LIMIT
    assert response.status_code == (413 if refused else 200)
    assert not refused or response.json()["detail"].startswith("The body is larger than 3000 bytes")


async def test_a_body_that_does_not_arrive_in_time_is_refused(running: RunningService) -> None:
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("POST", "/v1/bodies/raw", "Content-Length: 10"), b"12345")
        status = await connection.status()
        rest = await connection.rest()

    assert status == 408
    assert b"application/problem+json" in rest
    assert b"The body did not arrive within 0.5 s." in rest


async def test_a_slow_answer_is_no_slow_body(running: RunningService) -> None:
    """Streamed answers listen for the end of the connection, which is no part of the body."""
    response = await running.client.post("/v1/bodies/slowly", json=[])

    assert response.text == "at last"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity"])
async def test_a_compressed_body_is_not_unpacked(running: RunningService, coding: str) -> None:
    headers = {"content-encoding": coding, **JSON}

    response = await running.client.post("/v1/bodies/json", content=gzip.compress(b"[]"), headers=headers)

    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", "Identity"])
async def test_a_body_that_says_that_it_is_not_compressed_is_read(running: RunningService, coding: str) -> None:
    response = await running.client.post("/v1/bodies/raw", content=b"12345", headers={"content-encoding": coding})

    assert response.json() == 5


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: -5",),
        ("Content-Length: 5x",),
        ("Transfer-Encoding: chunked, identity",),
    ],
)
async def test_lengths_that_contradict_each_other_are_refused_by_the_server(
    running: RunningService, headers: tuple[str, ...]
) -> None:
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("POST", "/v1/bodies/raw", *headers), b"0\r\n\r\n")
        status = await connection.status()
        await connection.rest()

    assert status == 400


async def test_after_a_refusal_the_next_request_is_served(running: RunningService) -> None:
    async with httpx2.AsyncClient(base_url=running.client.base_url) as client:
        refused = await client.post("/v1/bodies/raw", content=b"x" * 2 * LIMIT)
        served = await client.post("/v1/bodies/raw", content=b"x")

    assert (refused.status_code, served.json()) == (413, 1)
