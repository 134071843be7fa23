"""What never becomes a request: no middleware sees it, and still it is bounded, and answered like everything else."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Request

from app.security.public import public
from app.web import protocol
from app.web.middleware.security_headers import ONLY_ON_HTTPS, security_headers
from app.web.problems import Problem
from tests.support.answers import Answer, answers_in
from tests.support.impatience import SECONDS
from tests.support.metrics import scrape
from tests.support.raw_http import head, raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import until

LONGEST = 20 * SECONDS

SECURITY = {name.decode(): [value.decode()] for name, value in security_headers() if name != ONLY_ON_HTTPS}

CLOSING = head("GET", "/health/live", "Connection: close")

router = APIRouter(prefix="/v1/slow")

answering = asyncio.Event()


@router.post("")
@public
async def read_body(request: Request) -> int:
    return len(await request.body())


@router.get("")
@public
async def answer_when_told() -> str:
    await asyncio.wait_for(answering.wait(), LONGEST)
    return "done"


@pytest.fixture(scope="module")
async def running(worker_database_url: str, impatient: None) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
        yield running


async def answers_to(running: RunningService, *pieces: bytes) -> list[Answer]:
    """Everything until the service closes the connection."""
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(*pieces)
        return list(answers_in(await connection.rest()))


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        head("GET", "http://127.0.0.1"),
        head("GET", "/", "Content-Length: 5", "Content-Length: 6"),
        head("POST", "/", "Transfer-Encoding: chunked") + b"no chunk\r\n",
        head("GET", "/", "X: a\x00b"),
    ],
)
async def test_what_is_not_http_is_answered_like_everything_else(running: RunningService, sent: bytes) -> None:
    [answer] = await answers_to(running, sent)

    assert (answer.status, answer.all("content-type")) == (400, ["application/problem+json"])
    problem = Problem.model_validate_json(answer.body)
    assert (problem.status, answer.all("x-request-id")) == (400, [problem.request_id])
    assert {name: answer.all(name) for name in SECURITY} == SECURITY
    assert answer.all("cache-control") == ["no-store"]
    assert answer.all("connection") == ["close"]
    assert answer.all("server") == []


async def test_the_operators_port_answers_it_too(running: RunningService) -> None:
    async with raw_connection(running.management.base_url) as connection:
        await connection.send(b"\x00\r\n\r\n")
        [answer] = answers_in(await connection.rest())

    assert (answer.status, answer.all("content-type")) == (400, ["application/problem+json"])


async def test_a_head_without_an_end_is_refused(running: RunningService) -> None:
    [answer] = await answers_to(running, head("GET", "/")[:-2], *[b"X-Long: " + b"x" * 10_000 + b"\r\n"] * 7)

    assert (answer.status, Problem.model_validate_json(answer.body).detail) == (431, "The headers are too long.")


@pytest.mark.parametrize(
    "sent",
    [
        head("GET", "/health/live", f"X-Long: {'x' * 100_000}"),
        head("GET", "/health/live", *["X: x"] * 13_000),
        head("GET", f"/health/live?{'x' * 100_000}"),
    ],
)
async def test_a_head_that_is_too_long_is_refused_even_if_it_arrives_at_once(
    running: RunningService, sent: bytes
) -> None:
    *_, answer = await answers_to(running, sent)

    assert (answer.status, Problem.model_validate_json(answer.body).detail) == (431, "The headers are too long.")


async def test_a_head_of_too_many_lines_is_refused_however_short_they_are(running: RunningService) -> None:
    *_, answer = await answers_to(running, head("GET", "/health/live", *["X: x"] * 201))

    assert (answer.status, Problem.model_validate_json(answer.body).detail) == (431, "The headers are too long.")


async def test_a_head_is_not_refused_for_what_arrives_before_and_behind_it(
    running: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LONGEST_HEAD_BYTES", 4_000)  # so that much more still arrives in one read
    upload = head("POST", "/nowhere", f"X-Long: {'x' * 3_500}", "Content-Length: 20000") + b"x" * 20_000

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(upload[:20], upload[20:] + CLOSING[:20])
        first = await connection.status()
        await connection.send(CLOSING[20:])
        rest = await connection.rest()

    assert first == 404
    assert b"HTTP/1.1 200 OK\r\n" in rest


@pytest.mark.parametrize("before", [b"", head("GET", "/health/live")])
async def test_a_head_that_does_not_end_in_time_is_refused(running: RunningService, before: bytes) -> None:
    *_, answer = await answers_to(running, before, b"GET / HTTP/1.1\r\nHost: ")

    assert answer.status == 408


async def test_a_connection_that_says_nothing_is_closed(running: RunningService) -> None:
    async with asyncio.timeout(LONGEST):
        assert await answers_to(running) == []


async def test_one_that_has_been_answered_may_wait_longer_before_it_asks_again(running: RunningService) -> None:
    async with raw_connection(running.client.base_url) as silent, raw_connection(running.client.base_url) as served:
        await served.send(head("GET", "/health/live"))
        await silent.rest()
        await served.send(CLOSING)
        answers = list(answers_in(await served.rest()))

    assert [answer.status for answer in answers] == [200, 200]


async def test_the_rest_of_an_upload_that_was_refused_is_bounded_in_size(
    running: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 600)  # so that it is not time that ends it

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("POST", "/nowhere", f"Content-Length: {10**15}"))
        status = await connection.status()
        with pytest.raises(ConnectionError):
            await connection.send_for_ever(b"x" * 65_536)

    assert status == 404


async def test_the_rest_of_an_upload_that_was_refused_is_bounded_in_time(running: RunningService) -> None:
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("POST", "/nowhere", "Content-Length: 5000"), b"x")
        [answer] = answers_in(await connection.rest())

    assert answer.status == 404


async def test_a_rest_that_arrives_costs_nothing_but_itself(running: RunningService) -> None:
    answers = await answers_to(running, head("POST", "/nowhere", "Content-Length: 100000"), b"x" * 100_000, CLOSING)

    assert [answer.status for answer in answers] == [404, 200]


async def test_an_answer_that_is_owed_comes_before_the_refusal(running: RunningService) -> None:
    """Or a caller would take the refusal for the answer to its first request."""
    answering.clear()

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("GET", "/v1/slow"))
        await until(lambda: not answering.is_set())
        await connection.send(b"\x00\x01", b"\x02")
        answering.set()
        answers = list(answers_in(await connection.rest()))

    assert [(answer.status, answer.body) for answer in answers] == [(200, b'"done"')]


async def test_what_follows_a_body_is_no_header(running: RunningService) -> None:
    """A proxy takes away what callers must not say, and may let it pass behind the body."""
    start = head("POST", "/health/live", "Transfer-Encoding: chunked")

    first, _ = await answers_to(running, start + b"0\r\nX-Request-ID: from-a-trailer\r\n\r\n" + CLOSING)

    assert first.status == 405
    assert first.all("x-request-id") != ["from-a-trailer"]


async def test_what_follows_a_body_is_no_longer_than_a_head(running: RunningService) -> None:
    start = head("POST", "/v1/slow", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\nX: "

    [answer] = await answers_to(running, start, *[b"x" * 10_000] * 8)

    assert (answer.status, Problem.model_validate_json(answer.body).detail) == (431, "The headers are too long.")


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_asks_for_another_protocol_is_answered_in_http_and_knows_that_it_has_to_connect_anew(
    running: RunningService, method: str, upgrade: str
) -> None:
    start = head(method, "/health/live", "Connection: Upgrade", f"Upgrade: {upgrade}", "Content-Length: 2")

    [answer] = await answers_to(running, start + b"{}" + CLOSING)

    assert answer.status == (200 if method == "GET" else 405)
    assert answer.all("connection") == ["close"]


async def test_an_empty_line_after_an_answer_does_not_keep_a_connection_open(running: RunningService) -> None:
    async with raw_connection(running.client.base_url) as connection, asyncio.timeout(LONGEST):
        await connection.send(head("GET", "/health/live"))
        status = await connection.status()
        await connection.send(b"\r\n")
        await connection.rest()

    assert status == 200


async def test_an_empty_line_before_a_request_does_it_no_harm(running: RunningService) -> None:
    answering.clear()

    async with raw_connection(running.client.base_url) as connection, raw_connection(running.client.base_url) as silent:
        await connection.send(head("GET", "/health/live"))
        await connection.status()
        await connection.send(b"\r\n", head("GET", "/v1/slow", "Connection: close"))
        await silent.rest()
        answering.set()
        rest = await connection.rest()

    assert rest.endswith(b'"done"')


async def test_what_cannot_be_read_is_counted(running: RunningService) -> None:
    before = (await scrape(running.management)).value("http_requests_unreadable_total")

    await answers_to(running, b"\x00\r\n\r\n")

    assert (await scrape(running.management)).value("http_requests_unreadable_total") - before == 1
