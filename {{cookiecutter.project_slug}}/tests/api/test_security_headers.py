"""What browsers and caches are told: on every kind of answer, once, and never over what the answer says itself."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel
from starlette.responses import HTMLResponse, RedirectResponse, StreamingResponse

from app.core.errors import Unavailable
from app.security.public import public
from app.web.preconditions import IfMatch
from tests.support import doors
from tests.support.observatory import grade
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

OUR_HOST, OUR_ORIGIN = "127.0.0.1", "https://shop.example.com"
HTTPS = {"x-forwarded-proto": "https"}

EXPECTED = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "geolocation=(), microphone=(), camera=()",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

router = APIRouter(prefix="/v1/answers")


class Thing(BaseModel):
    size: int


@router.post("")
@public
async def make(thing: Thing) -> Thing:
    return thing


@router.put("/versioned")
@public
async def change(seen: IfMatch) -> None:
    seen.require(1)


@router.get("/unchanged")
@public
async def say_unchanged() -> Response:
    return Response(status_code=304, headers={"ETag": '"1"'})


@router.get("/status/{status}")
@public
async def fail(status: int) -> None:
    raise HTTPException(status)


@router.get("/crash")
@public
async def crash() -> None:
    raise RuntimeError


@router.get("/busy")
@public
async def be_busy() -> None:
    raise Unavailable("Not now.")


@router.get("/slow")
@public
async def take_too_long() -> None:
    await asyncio.sleep(2)


@router.get("/elsewhere")
@public
async def redirect() -> RedirectResponse:
    return RedirectResponse("/v1/answers/crash")


@router.get("/stream")
@public
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    return StreamingResponse(parts())


@router.get("/page")
@public
async def page() -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>A page</title>")


@router.get("/own")
@public
async def say_it_itself(request: Request) -> Response:
    answer = Response(headers={"X-Frame-Options": "SAMEORIGIN", "Cache-Control": "public, max-age=60"})
    answer.set_cookie("first", "1", secure=True, httponly=True)
    answer.set_cookie("second", "2", secure=True, httponly=True)
    return answer


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    settings = settings_for(
        database_url=worker_database_url,
        allowed_hosts=[OUR_HOST],
        trusted_proxies=["127.0.0.1"],
        cors={"origins": [OUR_ORIGIN]},
        body={"limit_bytes": 100},
    )
    async with run_service(settings, routers=[router, doors.router]) as running:
        yield running


JSON = {"content-type": "application/json"}
PREFLIGHT = {"access-control-request-method": "POST"}

ANSWERS = [
    ("GET", "/health/live", {}, b"", 200),
    ("GET", "/docs/assets/none/of/ours", {}, b"", 404),
    ("GET", "/v1/answers/stream", {}, b"", 200),
    ("GET", "/v1/answers/page", {}, b"", 200),
    ("GET", "/v1/answers/unchanged", {"if-none-match": '"1"'}, b"", 304),
    ("GET", "/v1/answers/elsewhere", {}, b"", 307),
    ("GET", "/v1/answers/stream/", {}, b"", 307),
    ("POST", "/v1/answers", JSON, b"{", 400),
    ("GET", "/health/live", {"host": "evil.example.com"}, b"", 400),
    ("GET", "/v1/doors", {}, b"", 401),
    ("GET", "/v1/answers/status/403", {}, b"", 403),
    ("GET", "/nowhere", {}, b"", 404),
    ("HEAD", "/nowhere", {}, b"", 404),
    ("DELETE", "/v1/answers", {}, b"", 405),
    ("GET", "/v1/answers/status/409", {}, b"", 409),
    ("PUT", "/v1/answers/versioned", {"if-match": '"2"'}, b"", 412),
    ("POST", "/v1/answers", JSON, b"[" * 101, 413),
    ("POST", "/v1/answers", {"content-type": "text/plain"}, b"{}", 415),
    ("POST", "/v1/answers", JSON, b"{}", 422),
    ("PUT", "/v1/answers/versioned", {}, b"", 428),
    ("GET", "/v1/answers/crash", {}, b"", 500),
    ("GET", "/v1/answers/busy", {}, b"", 503),
    ("GET", "/v1/answers/slow", {"x-request-timeout": "0.01"}, b"", 504),
    ("OPTIONS", "/v1/answers", {"origin": OUR_ORIGIN, **PREFLIGHT}, b"", 200),
    ("OPTIONS", "/v1/answers", {"origin": "https://evil.example.com", **PREFLIGHT}, b"", 400),
]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status"), ANSWERS)
async def test_every_kind_of_answer_carries_each_header_once(
    running: RunningService, *, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    response = await running.client.request(method, path, headers={**HTTPS, **headers}, content=body)

    assert response.status_code == status
    assert {name: response.headers.get_list(name) for name in EXPECTED} == {
        name: [value] for name, value in EXPECTED.items()
    }
    assert len(response.headers.get_list("cache-control")) == 1
    assert "server" not in response.headers


@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/health/ready", 200), ("/nowhere", 404)])
async def test_the_operators_port_sends_them_too(running: RunningService, path: str, status: int) -> None:
    response = await running.management.get(path)

    assert response.status_code == status
    over_http = EXPECTED.keys() - {"strict-transport-security"}
    assert {name: response.headers.get(name) for name in over_http} == {name: EXPECTED[name] for name in over_http}
    assert "server" not in response.headers


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/v1/answers/page", "/docs", "/redoc", "/v1/answers/own"])
async def test_mozillas_grader_gives_the_highest_grade(running: RunningService, path: str) -> None:
    response = await running.client.get(path, headers={**HTTPS, "origin": "https://evil.example.com"})

    assert grade(response) == "A+"


async def test_over_http_nobody_is_told_to_use_https(running: RunningService) -> None:
    response = await running.client.get("/health/live")

    assert "strict-transport-security" not in response.headers


async def test_a_proxy_that_is_not_ours_is_not_believed(service: RunningService) -> None:
    response = await service.client.get("/health/live", headers=HTTPS)

    assert "strict-transport-security" not in response.headers


async def test_what_the_answer_says_itself_stays(running: RunningService) -> None:
    response = await running.client.get("/v1/answers/own", headers=HTTPS)

    assert response.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert response.headers.get_list("cache-control") == ["public, max-age=60"]
    assert [cookie.partition(";")[0] for cookie in response.headers.get_list("set-cookie")] == ["first=1", "second=2"]


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/answers/page", {}, "no-cache"),
        ("/v1/answers/elsewhere", {}, "no-cache"),
        ("/v1/answers/page", {"authorization": "Bearer anything"}, "no-store"),
        ("/v1/answers/page", {"cookie": "session=1"}, "no-store"),
        ("/v1/answers/crash", {}, "no-store"),
    ],
)
async def test_what_concerns_one_caller_is_kept_by_no_cache(
    running: RunningService, path: str, headers: dict[str, str], expected: str
) -> None:
    response = await running.client.get(path, headers=headers)

    assert response.headers["cache-control"] == expected


async def test_a_caller_with_a_key_is_answered_for_itself_alone(running: RunningService) -> None:
    caller: httpx2.AsyncClient = await running.client_for("doors:pass")

    response = await caller.get("/v1/doors")

    assert response.headers["cache-control"] == "no-store"
