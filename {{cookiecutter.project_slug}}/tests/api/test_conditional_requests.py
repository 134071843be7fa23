"""Whoever has the present answer already is told so in a few bytes."""

import hashlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse, StreamingResponse
from structlog.testing import capture_logs

from app.core.errors import NotFound
from app.security.public import public
from tests.support.doors import router as doors
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import until

router = APIRouter(prefix="/v1/shelf")

BOOKS = [{"title": f"Volume {number}"} for number in range(100)]


class Catalogue:
    """What can be read, and changed by a test."""

    title = "Volume 0"


@router.get("/book")
@public
async def read_book() -> dict[str, str]:
    return {"title": Catalogue.title}


@router.get("/books")
@public
async def list_books() -> list[dict[str, str]]:
    return BOOKS


@router.post("/books")
@public
async def add_book() -> list[dict[str, str]]:
    return BOOKS


@router.get("/headers")
@public
async def answer_with(request: Request) -> Response:
    """With the headers that the query names, and a body of JSON."""
    return JSONResponse(BOOKS, int(request.query_params.get("status", 200)), request.query_params)


@router.get("/text")
@public
async def read_text() -> Response:
    return Response("x", media_type="text/plain")


@router.get("/stream")
@public
async def stream_books() -> StreamingResponse:
    return StreamingResponse(iter([b"[", b"]"]), media_type="application/json")


@router.get("/tagged-stream")
@public
async def stream_version() -> StreamingResponse:
    return StreamingResponse(iter([b"a" * 700, b"b" * 700]), media_type="text/plain", headers={"ETag": '"7"'})


@router.get("/missing")
@public
async def miss_book() -> None:
    raise NotFound("There is no such book.")


@router.head("/book")
@public
async def look_for_book() -> Response:
    """As an application that sends no body itself, where Starlette leaves that to the server."""
    return Response(media_type="application/json")


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[router, doors]) as running:
        yield running


@pytest.fixture
def client(running: RunningService) -> httpx2.AsyncClient:
    return running.client


async def read(
    client: httpx2.AsyncClient, path: str, *seen: str, method: str = "GET", coding: str = "identity"
) -> httpx2.Response:
    """With a line for each thing that was seen."""
    headers = [("Accept-Encoding", coding), *(("If-None-Match", tag) for tag in seen)]
    return await client.request(method, f"/v1/shelf{path}", headers=headers)


async def test_whoever_has_the_present_answer_is_told_so_without_a_body(client: httpx2.AsyncClient) -> None:
    first = await read(client, "/books")
    again = await read(client, "/books", first.headers.get("etag", "none"))

    assert (first.status_code, first.json()) == (200, BOOKS)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_changed_answer_is_sent(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = (await read(client, "/book")).headers["etag"]
    monkeypatch.setattr(Catalogue, "title", "Volume 1")

    changed = await read(client, "/book", tag)

    assert (changed.status_code, changed.json()) == (200, {"title": "Volume 1"})
    assert changed.headers["etag"] != tag


async def test_the_same_bytes_have_the_same_tag_in_every_process(client: httpx2.AsyncClient) -> None:
    response = await read(client, "/book")

    assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'


@pytest.mark.parametrize("seen", ['"7"', 'W/"7"', '"a,b", "7"', '"6" ,W/"7"', "*", '"\xe9","7"'])
@pytest.mark.parametrize("tag", ['"7"', 'W/"7"'])
async def test_weak_or_strong_alone_or_in_a_list_a_tag_that_was_seen_is_recognised(
    client: httpx2.AsyncClient, tag: str, seen: str
) -> None:
    headers = [(b"If-None-Match", seen.encode("latin-1"))]

    response = await client.get("/v1/shelf/headers", params={"etag": tag}, headers=headers)

    assert response.status_code == 304
    assert response.headers["etag"] == tag


@pytest.mark.parametrize("seen", ["", '"6"', "7", '"77"', '"7', '7"', '"7 "', '"*"', '*, "6"'])
async def test_any_other_is_not(client: httpx2.AsyncClient, seen: str) -> None:
    response = await client.get("/v1/shelf/headers", params={"etag": '"7"'}, headers={"If-None-Match": seen})

    assert (response.status_code, response.json()) == (200, BOOKS)


async def test_several_lines_are_one_list(client: httpx2.AsyncClient) -> None:
    tag = (await read(client, "/book")).headers["etag"]

    answers = [await read(client, "/book", *seen) for seen in ((tag, '"6"'), ('"6"', tag))]

    assert [answer.status_code for answer in answers] == [304, 304]


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_compressed_answer_is_recognised_by_its_own_tag(client: httpx2.AsyncClient, coding: str) -> None:
    plain = await read(client, "/books")
    coded = await read(client, "/books", coding=coding)
    tag = coded.headers["etag"]

    again = await read(client, "/books", tag, coding=coding)
    otherwise = await read(client, "/books", plain.headers["etag"], coding=coding)

    assert coded.headers["content-encoding"] == coding
    assert tag == plain.headers["etag"][:-1] + f'-{coding}"'
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert "content-encoding" not in again.headers
    assert "Accept-Encoding" in again.headers["vary"]
    assert (otherwise.status_code, otherwise.headers["etag"]) == (304, plain.headers["etag"])


async def test_a_head_request_is_answered_like_its_get(client: httpx2.AsyncClient) -> None:
    got = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    head = await client.head("/openapi.json", headers={"Accept-Encoding": "gzip"})

    again = await client.head(
        "/openapi.json", headers={"Accept-Encoding": "gzip", "If-None-Match": got.headers["etag"]}
    )

    assert (head.status_code, head.headers["etag"]) == (200, got.headers["etag"])
    assert (again.status_code, again.headers["etag"]) == (304, got.headers["etag"])


async def test_it_says_what_the_whole_answer_would_have_said(client: httpx2.AsyncClient) -> None:
    said = {
        "etag": '"7"',
        "cache-control": "public, max-age=60",
        "content-location": "/v1/shelf/headers?page=1",
        "expires": "Sat, 21 Nov 2026 12:00:00 GMT",
        "vary": "Accept-Language",
        "content-security-policy": "default-src 'self'",
        "link": '</v1/shelf>; rel="collection"',
    }
    described = {**said, "content-language": "en"}
    whole = await client.get("/v1/shelf/headers", params=described, headers={"Accept-Encoding": "identity"})

    again = await client.get("/v1/shelf/headers", params=described, headers={"If-None-Match": '"7"'})

    assert (whole.status_code, again.status_code) == (200, 304)
    assert whole.headers["content-language"] == "en"
    assert {name: again.headers.get(name) for name in said} == {name: whole.headers[name] for name in said}
    assert "date" in again.headers
    assert not again.headers.keys() & {"content-type", "content-length", "content-encoding", "content-language"}
    secured = ("x-content-type-options", "referrer-policy", "permissions-policy")
    assert {name: again.headers[name] for name in secured} == {name: whole.headers[name] for name in secured}
    assert again.headers["x-request-id"] != whole.headers["x-request-id"]


async def test_what_a_caller_was_told_is_compared_and_still_not_to_be_kept(running: RunningService) -> None:
    caller = await running.client_for("doors:pass")
    whole = await caller.get("/v1/doors")
    again = await caller.get("/v1/doors", headers={"If-None-Match": whole.headers["etag"]})

    assert (whole.status_code, again.status_code) == (200, 304)
    assert (whole.headers["cache-control"], again.headers["cache-control"]) == ("no-store", "no-store")


async def test_what_anybody_may_read_is_asked_for_before_it_is_used_again(client: httpx2.AsyncClient) -> None:
    whole = await read(client, "/book")
    again = await read(client, "/book", whole.headers["etag"])

    assert (whole.headers["cache-control"], again.headers["cache-control"]) == ("no-cache", "no-cache")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/shelf/text", 200),
        ("GET", "/v1/shelf/stream", 200),
        ("GET", "/v1/shelf/headers?cache-control=private,no-store", 200),
        ("GET", "/v1/shelf/headers?content-type=application/problem%2Bjson", 200),
        ("GET", "/v1/shelf/headers?status=203", 203),
        ("GET", "/v1/shelf/missing", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/v1/shelf/books", 200),
        ("GET", "/health/live", 200),
        ("GET", "/docs", 200),
    ],
)
async def test_what_nobody_keeps_or_nobody_has_whole_gets_no_tag_and_is_always_sent(
    client: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path, headers={"If-None-Match": "*"})

    assert response.status_code == status
    assert "etag" not in response.headers
    assert response.content


async def test_no_tag_is_made_of_no_body(client: httpx2.AsyncClient) -> None:
    response = await read(client, "/book", "*", method="HEAD")

    assert response.status_code == 200
    assert "etag" not in response.headers


@pytest.mark.parametrize("path", ["/tagged-stream", "/headers?etag=%227%22"])
async def test_of_an_answer_with_a_tag_of_its_own_nothing_is_sent(client: httpx2.AsyncClient, path: str) -> None:
    whole = await read(client, path)
    with capture_logs() as events:
        again = await read(client, path, '"7"')
        await until(lambda: any(event["event"] == "request" for event in events))

    assert (whole.status_code, len(whole.content) > 1000) == (200, True)
    assert (again.status_code, again.content) == (304, b"")
    assert [(event["event"], event["bytes"]) for event in events] == [("request", 0)]
