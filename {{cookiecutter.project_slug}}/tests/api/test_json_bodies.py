"""What a route that reads JSON gets to see: JSON, declared as such, of a depth that people write."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.security.public import public
from app.web.middleware.json_bodies import parse
from tests.support.raw_http import chunked, head, raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

JSON = {"content-type": "application/json"}

router = APIRouter(prefix="/v1/json")


@router.post("")
@public
async def repeat(value: Annotated[Any, Body()]) -> Any:
    return value


@router.post("/perhaps")
@public
async def repeat_if_there(value: Annotated[Any, Body()] = None) -> Any:
    return value


@router.post("/text")
@public
async def repeat_text(value: Annotated[str, Body(media_type="text/plain")]) -> str:
    return value


@router.get("")
@public
async def read_nothing() -> str:
    return "nothing"


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
        yield running


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is not valid JSON."),
        (b"{", "The body is not valid JSON."),
        (b"NaN", "The body is not valid JSON."),
        (b'{"a": -Infinity}', "The body is not valid JSON."),
        (b'"\xff"', "The body is not valid JSON."),
        (b'"\\u12"', "The body is not valid JSON."),
        ("[1]".encode("utf-16"), "The body is not valid JSON."),
        (b"9" * 5000, "The body is not valid JSON."),
        (nested(202), "The body is nested too deeply."),
        (b"[" * 50_000, "The body is nested too deeply."),
        (b'{"a":' * 50_000, "The body is nested too deeply."),
        (b'["\\ud800",' + nested(202) + b"]", "The body is nested too deeply."),
    ],
)
async def test_what_is_not_strictly_json_is_refused(running: RunningService, body: bytes, said: str) -> None:
    response = await running.client.post("/v1/json", content=body or b" ", headers=JSON)

    assert response.status_code == 400
    assert response.json()["detail"] == said


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0"])
async def test_so_many_values_that_they_would_stop_the_process_are_not_parsed(
    running: RunningService, value: bytes
) -> None:
    response = await running.client.post("/v1/json", content=b"[" + b",".join([value] * 50_001) + b"]", headers=JSON)

    assert response.status_code == 413
    assert response.json()["detail"] == "The body holds more than 50000 values, the most that is read here."


@pytest.mark.parametrize("body", [b"1", b'"x"', b"[]", b'{"a": {"b": [1.5, null, true]}}', nested(201)])
@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8", "application/a+json"])
async def test_json_is_read(running: RunningService, body: bytes, media_type: str) -> None:
    response = await running.client.post("/v1/json", content=body, headers={"content-type": media_type})

    assert response.status_code == 200
    assert response.json() == json.loads(body)


async def test_of_a_name_that_is_there_twice_the_last_counts(running: RunningService) -> None:
    """As for nearly every parser: RFC 8259 allows it, and to find it out would take another, slower one."""
    response = await running.client.post("/v1/json", content=b'{"a": 1, "b": 2, "a": 3}', headers=JSON)

    assert response.json() == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    "headers",
    [{}, *({"content-type": name} for name in ("text/plain", "", "application/xml", "multipart/form-data"))],
)
async def test_another_media_type_is_refused(running: RunningService, headers: dict[str, str]) -> None:
    response = await running.client.post("/v1/json", content=b"{}", headers=headers)

    assert response.status_code == 415
    assert response.headers["accept"] == "application/json"
    assert response.json()["detail"] == "This route reads JSON: send Content-Type: application/json."


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}])
async def test_where_there_is_no_body_its_type_does_not_matter(
    running: RunningService, headers: dict[str, str]
) -> None:
    optional = await running.client.post("/v1/json/perhaps", headers=headers)
    required = await running.client.post("/v1/json", headers=headers)

    assert (optional.status_code, required.status_code) == (200, 422)


async def test_a_route_that_reads_something_else_is_left_alone(running: RunningService) -> None:
    text = await running.client.post("/v1/json/text", content=b"NaN", headers={"content-type": "text/plain"})
    nothing = await running.client.request("GET", "/v1/json", content=b"{")

    assert (text.json(), nothing.json()) == ("NaN", "nothing")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.sampled_from([b'{"a": [1, "\xc3\xa9"]}', b'["\\ud83d\\ude00"]', b"[1,", b'{"a": NaN}', nested(202)]),
    cuts=st.lists(st.integers(0, 402), max_size=5).map(sorted),
)
async def test_however_a_body_is_cut_it_gets_the_same_answer(
    running: RunningService, body: bytes, cuts: list[int]
) -> None:
    places = [0, *cuts, len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]
    start = head("POST", "/v1/json", "Content-Type: application/json", "Transfer-Encoding: chunked")

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(start, *chunked(pieces))
        status = await connection.status()

    assert status == (200 if body.endswith((b'"]}', b'00"]')) else 400)


def values() -> st.SearchStrategy[Any]:
    """Any JSON, halves of surrogate pairs included."""
    text = st.text(st.characters(codec=None) | st.sampled_from("\ud800\udfff\\u"), max_size=8)
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=8)


@given(value=values())
@pytest.mark.parametrize("ascii_only", [True, False])
def test_whatever_python_writes_is_accepted(value: Any, ascii_only: bool) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only)

    parse(written.encode("utf-8", "replace"))
