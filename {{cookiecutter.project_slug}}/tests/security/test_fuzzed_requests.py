"""Bytes that are nearly HTTP, or not at all: the service lives, and all its answers have their shape."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.assembly.policies import known_scopes
from app.web.middleware.security_headers import ONLY_ON_HTTPS, security_headers
from app.web.problems import MEDIA_TYPE, Problem
from tests.support import playground
from tests.support.answers import Answer, answers_in
from tests.support.impatience import SECONDS
from tests.support.raw_http import raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

SECURITY = {name.decode(): [value.decode()] for name, value in security_headers() if name != ONLY_ON_HTTPS}

# Stands after everything else, so that every connection comes to an end: answered, or taken for a part of it.
LAST = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"

METHODS = [
    b"GET",
    b"POST",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"BREW",
    b"get",
    b"PRI",
    b"",
    b"\x00",
]

TARGETS = [
    b"/v1/toys",
    b"/v1/toys?name=%00&since=%ff&colours=red&colours=&least=99999999999999999999",
    b"/v1/toys/named/%00%ff%ed%a0%80/1",
    b"/v1/toys/named/..%2f..%2fetc/9",
    b"/v1/toys/0?" + b"a=1&" * 2000,
    b"/health/live",
    b"/nowhere/" + b"x" * 70_000,
    b"/\xff\xfe\x00",
    b"/%",
    b"//evil.example.com/v1/toys",
    b"http://evil.example.com/v1/toys",
    b"http://evil.example.com",
    b"evil.example.com:443",
    b"*",
    b"",
]

VERSIONS = [b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b" HTTP/9.9", b" HTTP/1.1 ", b""]

HEADERS = [
    (b"Content-Length", b"0"),
    (b"Content-Length", b"5"),
    (b"Content-Length", b"-5"),
    (b"Content-Length", b"5, 5"),
    (b"Content-Length", b"99999999999999999999999"),
    (b"Content-Length", b"+5"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Transfer-Encoding", b"gzip, chunked"),
    (b"Transfer-Encoding", b"xchunked"),
    (b"Transfer-Encoding ", b"chunked"),
    (b"Content-Type", b"application/json"),
    (b"Content-Type", b"application/json; charset=\xff"),
    (b"Content-Type", b"multipart/form-data"),
    (b"Content-Encoding", b"gzip"),
    (b"Expect", b"100-continue"),
    (b"Expect", b"the unexpected"),
    (b"Connection", b"keep-alive, Upgrade, close"),
    (b"Upgrade", b"websocket"),
    (b"Upgrade", b"h2c"),
    (b"Host", b"evil.example.com"),
    (b"Host", b"127.0.0.1, evil"),
    (b"Authorization", b"Bearer apikey_\xff_\x80"),
    (b"Authorization", b"\xe9"),
    (b"X-Request-ID", b"\xff\xfe" * 300),
    (b"Traceparent", b"00-" + b"0" * 70),
    (b"Accept-Encoding", b"gzip;q=nan, *;q=1e999, \xff"),
    (b"If-Match", b'"\xff", W/"'),
    (b"If-None-Match", b"*, " * 500),
    (b"Origin", b"null\xff"),
    (b"Access-Control-Request-Method", b"\xff"),
    (b"Cookie", b"=; a=\xff; " * 100),
    (b"X-Forwarded-For", b"::1, \xff, 999.9.9.9"),
    (b"Age", b"\xd9\xa1"),
    (b"X-Long", b"x" * 70_000),
    (b"X-Folded", b"a\r\n b"),
    (b"", b"no name"),
    (b"Bad\x00Name", b"1"),
    (b"X-Null", b"a\x00b"),
]

TOY = b'{"name": "%b", "count": 1}'

BODIES = [
    b"",
    b"12345",
    TOY % b"Bear",
    TOY % b"\\u0000",
    TOY % b"\\ud800",
    TOY % b"\xff\xfe",
    TOY % b"\xed\xa0\x80",
    b'{"name": "one", "name": "two", "count": 1}',
    b'{"name": "Bear", "count": 1e999}',
    b'{"name": "Bear", "count": 1, "made_on": 99999999999999999999}',
    b'{"name": "Bear", "count": ' + b"9" * 5000 + b"}",
    b'{"labels":' * 300 + b"}" * 300,
    b"[" * 100_000,
    b"5\r\n12345\r\n0\r\n\r\n",
    b"5;x=\x00\r\n12345\r\n0\r\nTrailer: \xff\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"-1\r\nx\r\n0\r\n\r\n",
    b"zz\r\n",
    b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
]


def line(name: bytes, value: bytes) -> bytes:
    return b"%b: %b\r\n" % (name, value)


def some_bytes(most: int) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=most)


def mostly(usual: bytes, strange: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """With ten parts of which each may be wrong, nearly nothing would come past the first check."""
    return st.integers(0, 7).flatmap(lambda number: strange if number == 0 else st.just(usual))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One that is wrong in a few places; `KEY` stands for a good one."""
    method, target = draw(st.sampled_from([(b"GET", TARGETS[0]), (b"GET", TARGETS[1]), (b"POST", TARGETS[0])]))
    body = draw(st.sampled_from(BODIES) | some_bytes(20)) if method == b"POST" else b""
    chosen = draw(st.lists(st.sampled_from(HEADERS) | st.tuples(some_bytes(4), some_bytes(8)), max_size=2))
    return b"".join(
        [
            draw(mostly(method, st.sampled_from(METHODS) | some_bytes(3))),
            b" ",
            draw(mostly(target, st.sampled_from(TARGETS) | some_bytes(8).map(lambda tail: b"/" + tail))),
            draw(mostly(b" HTTP/1.1\r\n", st.sampled_from(VERSIONS).map(lambda version: version + b"\r\n"))),
            draw(mostly(b"Host: 127.0.0.1\r\n", st.just(b""))),
            draw(mostly(b"Authorization: Bearer KEY\r\n", st.just(b""))),
            draw(mostly(b"Content-Type: application/json\r\n", st.just(b""))),
            draw(mostly(b"Content-Length: %d\r\n" % len(body), st.just(b"Transfer-Encoding: chunked\r\n"))),
            *(b"%b: %b\r\n" % header for header in chosen),
            b"\r\n",
            body,
        ]
    )


def streams() -> st.SearchStrategy[bytes]:
    """What one caller sends: some requests after each other, or anything at all."""
    return mostly(b"", some_bytes(200)).flatmap(
        lambda noise: st.lists(requests(), min_size=1, max_size=3).map(b"".join) if not noise else st.just(noise)
    )


@pytest.fixture(scope="module")
async def running(worker_database_url: str, impatient: None) -> AsyncIterator[RunningService]:
    settings = settings_for(
        database_url=worker_database_url,
        allowed_hosts=["127.0.0.1"],
        cors={"origins": ["https://app.example.com"]},
        body={"timeout_seconds": SECONDS, "limit_bytes": 200_000},
    )
    async with run_service(settings, routers=[playground.router]) as running:
        yield running


@pytest.fixture(scope="module")
async def key(running: RunningService) -> bytes:
    caller = await running.client_for(*known_scopes(running.app))
    return caller.headers["authorization"].encode().removeprefix(b"Bearer ")


def repeated(examples: int) -> settings:
    """No shrinking: most of what fails here fails by being silent, and each try would cost a time-out."""
    return settings(
        max_examples=examples, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )


def callers() -> st.SearchStrategy[list[bytes]]:
    """Some at a time."""
    return st.lists(streams(), min_size=8, max_size=8)


@repeated(40)
@given(sent=callers())
async def test_whatever_arrives_the_answers_are_ours_and_the_service_lives(
    running: RunningService, key: bytes, caplog: pytest.LogCaptureFixture, sent: list[bytes]
) -> None:
    await expect_answers_of_ours(running, key, caplog, sent)


@pytest.mark.long
@pytest.mark.timeout(1800)
@repeated(3000)
@given(sent=callers())
async def test_whatever_arrives_for_long_the_answers_are_ours(
    running: RunningService, key: bytes, caplog: pytest.LogCaptureFixture, sent: list[bytes]
) -> None:
    await expect_answers_of_ours(running, key, caplog, sent)


async def expect_answers_of_ours(
    running: RunningService, key: bytes, caplog: pytest.LogCaptureFixture, sent: list[bytes]
) -> None:
    caplog.clear()

    found = await asyncio.gather(*(exchange(running, stream.replace(b"KEY", key) + LAST) for stream in sent))
    alive = await running.client.get("/health/live")

    for stream, answers in zip(sent, found, strict=True):
        for answer in answers:
            assert fault_of(answer) == "", stream
    assert alive.status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def exchange(running: RunningService, stream: bytes) -> list[Answer]:
    """Everything that is answered until the service closes the connection."""
    async with raw_connection(running.client.base_url) as connection:
        try:
            await connection.send(stream)
            received = await connection.rest()
        except ConnectionError:  # it was closed while we still sent
            return []
        except TimeoutError:
            raise AssertionError(f"the connection stays open after {stream!r}") from None
    return list(answers_in(received))


def fault_of(answer: Answer) -> str:
    """What its shape lacks."""
    if answer.status >= 500:
        return f"it failed: {answer}"
    if {name: answer.all(name) for name in SECURITY} != SECURITY or answer.all("server"):
        return f"security headers: {answer}"
    if len(answer.all("x-request-id")) != 1:
        return f"request id: {answer}"
    if answer.status < 400:
        return ""
    problem = Problem.model_validate_json(answer.body, strict=True)
    said = (problem.status, problem.request_id, answer.all("content-type"))
    return "" if said == (answer.status, *answer.all("x-request-id"), [MEDIA_TYPE]) else f"no problem: {answer}"
