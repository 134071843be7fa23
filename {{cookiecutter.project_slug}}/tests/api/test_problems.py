"""Whatever goes wrong, the caller gets a problem that says enough and not too much."""

import logging
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from app.core.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    ServiceError,
    Unauthenticated,
    Unavailable,
)
from app.observability.context import add_context
from app.security.public import public
from app.web.dependencies import Session
from app.web.problems import status_of, type_of
from tests.support.databases import execute, fetch
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

ROUTER = APIRouter(prefix="/v1/things")


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int
    code: str


class ThingMissing(NotFound):
    """A subclass of a subclass counts too."""


class ThingLost(ThingMissing):
    pass


ERRORS: dict[str, Exception] = {
    "not-found": NotFound("There is no such thing."),
    "missing": ThingLost("This thing was lost."),
    "conflict": Conflict("The thing is busy."),
    "invalid": InvalidRequest("A thing has no size."),
    "unauthenticated": Unauthenticated("Who are you?"),
    "forbidden": Forbidden("This thing is not yours."),
    "changed": PreconditionFailed("The thing has changed."),
    "unconditional": PreconditionRequired("Say which thing you saw."),
    "unavailable": Unavailable("Not now.", retry_after=7),
    "other": ServiceError("Something to be told."),
    "teapot": HTTPException(418, "short and stout", headers={"X-Teapot": "1"}),
    "crash": RuntimeError("secret of the inside"),
}


@ROUTER.post("")
@public
async def make(thing: Thing) -> Thing:
    return thing


@ROUTER.get("/fail/{how}")
@public
async def fail(how: str) -> None:
    raise ERRORS[how]


@ROUTER.get("/half")
@public
async def answer_half() -> StreamingResponse:
    async def half() -> AsyncIterator[bytes]:
        yield b"half of "
        raise RuntimeError("secret of the inside")

    return StreamingResponse(half())


@ROUTER.post("/orphans", status_code=201)
@public
async def make_orphan(session: Session) -> str:
    await session.execute(text("INSERT INTO things (parent) VALUES (42)"))
    return "made"


@pytest.fixture(scope="module")
def things_url(worker_database_url: str) -> Iterator[str]:
    """With a table whose constraint speaks only at commit."""
    execute(
        worker_database_url,
        "CREATE TABLE things (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,"
        " parent int REFERENCES things DEFERRABLE INITIALLY DEFERRED)",
    )
    yield worker_database_url
    execute(worker_database_url, "DROP TABLE things")


@pytest.fixture(scope="module")
async def things(things_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=things_url), routers=[ROUTER]) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", b"", 404),
        ("DELETE", "/v1/things", b"", 405),
        ("POST", "/v1/things", b'{"size": "x"}', 422),
        ("POST", "/v1/things", b'{"size": 1,', 400),
        ("POST", "/v1/things", b'{"size": "\xff"}', 400),
        ("GET", "/v1/things/fail/not-found", b"", 404),
        ("GET", "/v1/things/fail/missing", b"", 404),
        ("GET", "/v1/things/fail/conflict", b"", 409),
        ("GET", "/v1/things/fail/invalid", b"", 422),
        ("GET", "/v1/things/fail/unauthenticated", b"", 401),
        ("GET", "/v1/things/fail/forbidden", b"", 403),
        ("GET", "/v1/things/fail/changed", b"", 412),
        ("GET", "/v1/things/fail/unconditional", b"", 428),
        ("GET", "/v1/things/fail/unavailable", b"", 503),
        ("GET", "/v1/things/fail/other", b"", 400),
        ("GET", "/v1/things/fail/teapot", b"", 418),
        ("GET", "/v1/things/fail/crash", b"", 500),
        ("POST", "/v1/things/orphans", b"", 500),
    ],
)
async def test_every_failure_has_the_same_shape(
    things: RunningService, *, method: str, path: str, body: bytes, status: int
) -> None:
    response = await things.client.request(method, path, content=body, headers={"content-type": "application/json"})

    problem = response.json()
    assert response.status_code == status
    assert problem.get("status") == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"] == problem.get("request_id")
    assert problem["instance"] == path
    assert problem["title"]
    assert problem["type"]


async def test_a_wrong_method_names_those_that_are_right(things: RunningService) -> None:
    response = await things.client.delete("/v1/things")

    assert response.headers["allow"] == "POST"


async def test_headers_of_an_http_exception_are_kept(things: RunningService) -> None:
    response = await things.client.get("/v1/things/fail/teapot")

    assert response.headers["x-teapot"] == "1"
    assert response.json()["detail"] == "short and stout"


async def test_a_validation_error_names_fields_and_echoes_no_value(things: RunningService) -> None:
    response = await things.client.post("/v1/things", json={"size": "hunter22", "code": ["hunter23"]})

    assert {error["field"] for error in response.json()["errors"]} == {"body.size", "body.code"}
    assert "hunter2" not in response.text


async def test_a_body_full_of_errors_gets_a_short_answer(things: RunningService) -> None:
    surprises = {f"{'x' * 1000}{number}": number for number in range(1000)}

    response = await things.client.post("/v1/things", json=surprises)

    assert response.status_code == 422
    assert len(response.json()["errors"]) == 20
    assert len(response.content) < 10_000


async def test_unavailable_says_when_to_come_back(things: RunningService) -> None:
    response = await things.client.get("/v1/things/fail/unavailable")

    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize(("how", "challenge"), [("unauthenticated", "Bearer"), ("forbidden", None)])
async def test_only_who_could_prove_more_is_challenged(things: RunningService, how: str, challenge: str | None) -> None:
    response = await things.client.get(f"/v1/things/fail/{how}")

    assert response.headers.get("www-authenticate") == challenge
    assert "retry-after" not in response.headers


async def test_a_crash_is_logged_once_and_tells_nothing(
    things: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs(processors=[add_context]) as events:
        response = await things.client.get("/v1/things/fail/crash")

    crashes = [event for event in events if event["log_level"] == "error"]
    assert [event["event"] for event in crashes] == ["crash"]
    assert crashes[0]["request_id"] == response.json()["request_id"]
    assert str(crashes[0]["exc_info"]) == "secret of the inside"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text


async def test_an_expected_error_is_not_logged_as_a_crash(things: RunningService) -> None:
    with capture_logs() as events:
        await things.client.get("/v1/things/fail/conflict")

    assert [event["event"] for event in events] == ["request"]


async def test_the_line_of_a_request_names_its_problem(things: RunningService) -> None:
    with capture_logs() as events:
        answer = await things.client.get("/v1/things/fail/missing")
        await things.client.get("/health/live")

    assert [event.get("problem") for event in events] == ["urn:problem:thing-lost", None]
    assert answer.json()["type"] == "urn:problem:thing-lost"


async def test_after_half_an_answer_the_connection_is_closed(
    things: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as events, pytest.raises(httpx2.RemoteProtocolError):
        await things.client.get("/v1/things/half")

    assert [event["event"] for event in events if event["log_level"] == "error"] == ["crash"]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_commit_that_fails_is_not_answered_as_done(things: RunningService, things_url: str) -> None:
    response = await things.client.post("/v1/things/orphans")

    assert response.status_code == 500
    assert "foreign key" not in response.text
    assert await fetch(things_url, "SELECT count(*) FROM things") == [0]


def every_error(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from every_error(inner)


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_has_a_status_and_a_type(kind: type[ServiceError]) -> None:
    assert 400 <= status_of(kind) < 600
    assert type_of(kind).startswith("urn:problem:")


@pytest.mark.parametrize(
    ("kind", "status"),
    [(ThingLost, 404), (NotFound, 404), (Conflict, 409), (InvalidRequest, 422), (Unavailable, 503)],
)
def test_the_nearest_class_decides_the_status(kind: type[ServiceError], status: int) -> None:
    assert status_of(kind) == status


def test_an_error_is_named_after_its_class() -> None:
    assert type_of(ThingLost) == "urn:problem:thing-lost"
