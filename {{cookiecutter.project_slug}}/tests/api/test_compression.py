"""Answers are compressed as the client prefers, and nothing else about them changes."""

import asyncio
import gzip
import hashlib
import json
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, Request, Response
from starlette.responses import PlainTextResponse, StreamingResponse

from app.security.public import public
from app.web.preconditions import IfMatch, set_etag
from tests.support.content_decoding import DECODERS
from tests.support.raw_http import head, raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

BROWSER = "gzip, deflate, br, zstd"
# Nothing repeats, so nothing is short: half of it is needed to say it.
NOISE = "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(10_000))

ITEMS: list[dict[str, int | str]] = [{"number": number, "name": f"thing {number}"} for number in range(200)]

router = APIRouter(prefix="/v1/compressed")


class Letterbox:
    """The one thing that can be read and changed."""

    version = 3


@router.get("/list")
@public
async def list_things() -> list[dict[str, int | str]]:
    return ITEMS


@router.get("/bytes/{size}")
@public
async def give_bytes(size: int, media_type: str = "text/plain") -> Response:
    return Response(b"x" * size, media_type=media_type)


@router.get("/noise")
@public
async def give_much() -> Response:
    return PlainTextResponse(NOISE)


@router.get("/stream")
@public
async def stream(request: Request) -> StreamingResponse:
    """Three pieces; the second waits until the first was read."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first "
        await request.app.state.first_piece_was_read.wait()
        yield b"second "
        yield b"third"

    return StreamingResponse(pieces(), media_type="text/plain")


@router.get("/headers")
@public
async def answer_with(request: Request) -> Response:
    """With the headers that the query names."""
    return Response(b"x" * 5000, int(request.query_params.get("status", 200)), request.query_params, "text/plain")


@router.get("/letterbox")
@public
async def look(request: Request) -> Response:
    tag = f'"{Letterbox.version}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(b"x" * 5000, media_type="text/plain", headers={"ETag": tag})


@router.put("/letterbox")
@public
async def change(seen: IfMatch, response: Response) -> str:
    seen.require(Letterbox.version)
    set_etag(response, version=Letterbox.version)
    return "changed"


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
        yield running


async def get_raw(service: RunningService, path: str, **headers: str) -> tuple[httpx2.Response, bytes]:
    """The answer, and its body as it came."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = service.client.build_request("GET", path, headers=fields)
    if "accept_encoding" not in headers:
        del request.headers["accept-encoding"]
    response = await service.client.send(request, stream=True)
    body = b"".join([part async for part in response.aiter_raw()])
    await response.aclose()
    return response, body


def varies_by(response: httpx2.Response) -> set[str]:
    return set(response.headers.get("vary", "").split(", "))


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        (BROWSER, "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0.9", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, br;q=0, *", "gzip"),
    ],
)
async def test_an_answer_comes_in_the_coding_that_the_client_prefers(
    running: RunningService, accepted: str, coding: str
) -> None:
    response, body = await get_raw(running, "/v1/compressed/list", accept_encoding=accepted)

    assert response.headers.get("content-encoding") == coding
    assert json.loads(DECODERS[coding](body)) == ITEMS
    assert int(response.headers["content-length"]) == len(body) < 2000
    assert "Accept-Encoding" in varies_by(response)


@pytest.mark.parametrize("accepted", [None, "", "deflate", "identity", "gzip;q=0", "gzip;q=0.5, identity", "*;q=0"])
async def test_whoever_prefers_none_gets_the_answer_as_it_is(running: RunningService, accepted: str | None) -> None:
    headers = {} if accepted is None else {"accept_encoding": accepted}

    response, body = await get_raw(running, "/v1/compressed/list", **headers)

    assert "content-encoding" not in response.headers
    assert json.loads(body) == ITEMS
    assert "Accept-Encoding" in varies_by(response)


@pytest.mark.parametrize(("size", "coding"), [(1023, None), (1024, "gzip")])
async def test_small_answers_are_left_alone(running: RunningService, size: int, coding: str | None) -> None:
    response, _ = await get_raw(running, f"/v1/compressed/bytes/{size}", accept_encoding="gzip")

    assert response.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in varies_by(response)


async def test_whoever_refuses_what_is_uncoded_gets_small_answers_coded_too(running: RunningService) -> None:
    response, body = await get_raw(running, "/v1/compressed/bytes/10", accept_encoding="gzip, identity;q=0")

    assert response.headers.get("content-encoding") == "gzip"
    assert gzip.decompress(body) == b"x" * 10


@pytest.mark.parametrize("media_type", ["text/event-stream", "image/png", "application/octet-stream", "font/woff2"])
async def test_media_types_that_gain_nothing_are_left_alone(running: RunningService, media_type: str) -> None:
    path = f"/v1/compressed/bytes/5000?media_type={media_type}"

    response, body = await get_raw(running, path, accept_encoding=BROWSER)

    assert "content-encoding" not in response.headers
    assert "Accept-Encoding" not in varies_by(response)
    assert body == b"x" * 5000


@pytest.mark.parametrize("query", ["content-encoding=gzip", "cache-control=no-transform", "status=206"])
async def test_what_is_coded_or_a_part_or_must_stay_as_it_is_is_left_alone(running: RunningService, query: str) -> None:
    response, body = await get_raw(running, f"/v1/compressed/headers?{query}", accept_encoding="br")

    assert response.headers.get("content-encoding") != "br"
    assert body == b"x" * 5000


async def test_a_vary_of_the_answer_stays(running: RunningService) -> None:
    response, _ = await get_raw(running, "/v1/compressed/headers?vary=Cookie", accept_encoding="br")

    assert varies_by(response) >= {"Cookie", "Accept-Encoding"}


@pytest.mark.parametrize("coding", DECODERS)
async def test_a_large_answer_is_whole(running: RunningService, coding: str) -> None:
    _, body = await get_raw(running, "/v1/compressed/noise", accept_encoding=coding)

    assert DECODERS[coding](body).decode() == NOISE
    assert len(body) < len(NOISE) * 0.7


@pytest.mark.parametrize("coding", DECODERS)
async def test_each_piece_of_a_stream_can_be_read_before_the_next_is_there(
    running: RunningService, coding: str
) -> None:
    running.app.state.first_piece_was_read = asyncio.Event()
    async with running.client.stream("GET", "/v1/compressed/stream", headers={"accept-encoding": coding}) as response:
        found = ""
        async for piece in response.aiter_text():
            found += piece
            if found:
                running.app.state.first_piece_was_read.set()

    assert response.headers["content-encoding"] == coding
    assert found == "first second third"


async def test_the_api_references_files_are_compressed(running: RunningService) -> None:
    page = await running.client.get("/redoc")
    script = page.text.partition('<script src="')[2].partition('"')[0]

    response, body = await get_raw(running, script, accept_encoding="br")

    assert response.headers.get("content-encoding") == "br"
    assert len(body) < len(DECODERS["br"](body)) / 2
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_head_request_is_answered_like_its_get(running: RunningService) -> None:
    got, _ = await get_raw(running, "/openapi.json", accept_encoding="gzip")

    response = await running.client.head("/openapi.json", headers={"accept-encoding": "gzip"})

    same = ["content-encoding", "content-length", "vary"]
    assert [response.headers.get(name) for name in same] == [got.headers[name] for name in same]


@pytest.mark.parametrize("coding", DECODERS)
async def test_what_was_read_compressed_can_be_changed(running: RunningService, coding: str) -> None:
    seen, _ = await get_raw(running, "/v1/compressed/letterbox", accept_encoding=coding)

    tag = seen.headers["etag"]
    changed = await running.client.put("/v1/compressed/letterbox", headers={"If-Match": tag})
    refused = await running.client.put("/v1/compressed/letterbox", headers={"If-Match": f'"2-{coding}"'})

    assert seen.headers["content-encoding"] == coding
    assert tag == f'"3-{coding}"'
    assert (changed.status_code, refused.status_code) == (200, 412)


async def test_each_coding_has_a_tag_of_its_own(running: RunningService) -> None:
    answers = [await get_raw(running, "/v1/compressed/letterbox", accept_encoding=name) for name in ("", *DECODERS)]

    assert len({answer.headers["etag"] for answer, _ in answers}) == 4


async def test_a_weak_tag_stands_for_every_coding(running: RunningService) -> None:
    response, _ = await get_raw(running, '/v1/compressed/headers?etag=W/"3"', accept_encoding="br")

    assert response.headers["content-encoding"] == "br"
    assert response.headers["etag"] == 'W/"3"'


@pytest.mark.parametrize("tag", ['"3"', '"3-br"'])
async def test_a_cache_is_told_that_its_copy_is_still_right(running: RunningService, tag: str) -> None:
    response, body = await get_raw(running, "/v1/compressed/letterbox", accept_encoding="br", if_none_match=tag)

    assert (response.status_code, body) == (304, b"")
    assert response.headers["etag"] == tag
    assert "Accept-Encoding" in varies_by(response)


async def test_a_header_as_long_as_an_attack_is_ignored(running: RunningService) -> None:
    response, _ = await get_raw(running, "/v1/compressed/list", accept_encoding=", ".join(["gzip"] * 100))

    assert "content-encoding" not in response.headers


async def test_bytes_on_the_wire_are_a_stream_that_ends(running: RunningService) -> None:
    """As a client sees it that knows nothing of HTTP libraries."""
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("GET", "/v1/compressed/list", "Accept-Encoding: gzip", "Connection: close"))
        status = await connection.status()
        _, _, body = (await connection.rest()).partition(b"\r\n\r\n")

    stream = zlib.decompressobj(zlib.MAX_WBITS + 16)
    assert status == 200
    assert json.loads(stream.decompress(body)) == ITEMS
    assert stream.eof
