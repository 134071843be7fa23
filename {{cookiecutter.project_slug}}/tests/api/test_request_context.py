"""Ids: accepted or made, echoed on every answer, never left behind for the next request."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Request
from structlog.testing import capture_logs

from app.observability.context import add_context, bind_caller, current_context
from app.security.public import public
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

ROUTER = APIRouter(prefix="/v1/context")
# A UUID of version 7.
MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TRACE = "0af7651916cd43dd8448eb211c80319c"
OUR_HOST, OUR_ORIGIN = "127.0.0.1", "https://shop.example.com"


@ROUTER.get("")
@public
async def show(request: Request, user: str | None = None) -> dict[str, Any]:
    """What is bound, and on which connection the request came."""
    found = dict(current_context())
    if user:
        bind_caller(user=user, tenant="acme")
    assert request.client
    return {**found, "connection": request.client.port}


@ROUTER.get("/crash")
@public
async def crash() -> None:
    raise RuntimeError


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    settings = settings_for(database_url=worker_database_url, allowed_hosts=[OUR_HOST], cors={"origins": [OUR_ORIGIN]})
    async with run_service(settings, routers=[ROUTER]) as running:
        yield running


@pytest.mark.parametrize("request_id", ["a-caller.id_1", "01900000-0000-7000-8000-000000000000", "x" * 8, "x" * 128])
async def test_a_well_formed_id_is_accepted(running: RunningService, request_id: str) -> None:
    response = await running.client.get("/v1/context", headers={"x-request-id": request_id})

    assert response.headers["x-request-id"] == request_id
    assert response.json()["request_id"] == request_id


@pytest.mark.parametrize(
    "request_id", ["", "short", "x" * 129, "has space", 'quo"te-me', "semi;colon", "tab\tbed-id", "ümläut-id"]
)
async def test_any_other_id_is_replaced(running: RunningService, request_id: str) -> None:
    response = await running.client.get("/v1/context", headers={b"x-request-id": request_id.encode()})

    assert MADE.fullmatch(response.headers["x-request-id"])
    assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("traceparent", "is_taken"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", True),
        (f"00-{TRACE}-b7ad6b7169203331-00", True),
        ("", False),
        (f"00-{TRACE}-b7ad6b7169203331", False),
        (f"ff-{TRACE}-b7ad6b7169203331-01", False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", False),
    ],
)
async def test_a_trace_goes_on_if_its_header_is_valid(
    running: RunningService, *, traceparent: str, is_taken: bool
) -> None:
    response = await running.client.get("/v1/context", headers={"traceparent": traceparent})

    trace_id = response.json()["trace_id"]
    assert (trace_id == TRACE) is is_taken
    assert len(trace_id) == 32


PREFLIGHT = {"access-control-request-method": "GET"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/context", {}, 200),
        ("HEAD", "/nowhere", {}, 404),
        ("GET", "/nowhere", {}, 404),
        ("POST", "/v1/context", {}, 405),
        ("GET", "/v1/context/crash", {}, 500),
        ("GET", "/v1/context", {"host": "evil.example.com"}, 400),
        ("OPTIONS", "/v1/context", {"origin": OUR_ORIGIN, **PREFLIGHT}, 200),
        ("OPTIONS", "/v1/context", {"origin": "https://evil.example.com", **PREFLIGHT}, 400),
    ],
)
async def test_every_kind_of_answer_carries_the_id_once(
    running: RunningService, *, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = await running.client.request(method, path, headers={"x-request-id": "from-the-caller", **headers})

    assert response.status_code == status
    assert response.headers.get_list("x-request-id") == ["from-the-caller"]


async def test_nothing_leaks_to_the_next_request_of_a_connection(running: RunningService) -> None:
    async with httpx2.AsyncClient(base_url=running.client.base_url) as client:
        first = await client.get("/v1/context?user=ada", headers={"x-request-id": "the-first-one"})
        second = await client.get("/v1/context")

    assert second.json()["connection"] == first.json()["connection"]
    assert set(second.json()) == {"request_id", "trace_id", "connection"}
    assert second.json()["request_id"] != "the-first-one"
    assert second.json()["trace_id"] != first.json()["trace_id"]


async def test_the_access_log_names_request_and_caller(running: RunningService) -> None:
    with capture_logs(processors=[add_context]) as events:
        await running.client.get("/v1/context?user=ada", headers={"x-request-id": "to-be-logged"})

    assert [event["request_id"] for event in events if event["event"] == "request"] == ["to-be-logged"]
    event = events[-1]
    assert (event["user"], event["tenant"]) == ("ada", "acme")
    assert event["route"] == "/v1/context"
    assert event["status"] == 200
    assert "ada" not in event["path"]
