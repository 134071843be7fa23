"""Whoever is refused at once is refused before there is a task, with the answer that all others get."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.resilience import shedding_state
from app.web.middleware import load_shedding
from app.web.middleware.load_shedding import Turns
from tests.support.metrics import scrape
from tests.support.raw_http import RawConnection, head, in_time, raw_connection
from tests.support.service import RunningService
from tests.support.stage import Stage, holding, serving

HOST = "127.0.0.1"
PATH = "/v1/places/pass/a"
HEALTH = "/health/live"

# A page's request goes the long way, and is answered the same because no page is let in.
THE_LONG_WAY = "Origin: https://page.example.com"

OWN_ID = "X-Request-ID: the-callers-own-id"
NOBODY_KNOWS = re.compile(rb"^date: [^\r]+", re.MULTILINE)

# Of an address, while there is one request in the service.
MOST_OF_AN_ADDRESS = 40


class Tasks:
    """The requests that were given one."""

    def __init__(self) -> None:
        self.paths: list[str] = []


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    seen = Tasks()
    run_asgi = RequestResponseCycle.run_asgi

    async def run(cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        seen.paths.append(cycle.scope["path"])
        await run_asgi(cycle, app)

    monkeypatch.setattr(RequestResponseCycle, "run_asgi", run)
    return seen


@pytest.fixture(scope="module")
def no_line() -> Iterator[None]:
    """Whoever finds no room is refused at once, and all of that belongs to one overload."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_shedding, "PLACES", 0)
        patch.setattr(shedding_state, "CALM_SECONDS", 3_600)
        yield


@pytest.fixture(scope="module")
async def full(no_line: None, worker_database_url: str) -> AsyncIterator[RunningService]:
    """A service with no room for anybody."""
    stage = Stage()
    limits = {"limit_address": f"{MOST_OF_AN_ADDRESS}/hour"}
    options = {"trusted_proxies": [HOST], "allowed_hosts": [HOST], "rate": limits}
    async with serving(stage, worker_database_url, queue_seconds=10, **options) as service:
        known = await service.client_for("doors:pass")
        assert (await known.get("/v1/doors")).status_code == 200
        turns_of(service).gate.limit = 0
        yield service


def turns_of(service: RunningService) -> Turns:
    """Whoever waited for a request to end, instead, would have to keep it for as long as these tests take."""
    found = [each.kwargs["turns"] for each in service.app.user_middleware if "turns" in each.kwargs]
    assert isinstance(found[0], Turns)
    return found[0]


def from_address(address: str) -> str:
    """Tests use addresses of their own, because each may call so often only."""
    return f"X-Forwarded-For: {address}"


async def answer_to(service: RunningService, request: bytes) -> bytes:
    async with raw_connection(service.client.base_url) as connection:
        await connection.send(request)
        return await next_answer(connection, has_body=not request.startswith(b"HEAD"))


async def next_answer(connection: RawConnection, *, has_body: bool = True) -> bytes:
    start = await in_time(connection.reader.readuntil(b"\r\n\r\n"), what="an answer")
    length = re.search(rb"content-length: (\d+)", start)
    assert length
    return start + await in_time(connection.reader.readexactly(int(length[1]) if has_body else 0), what="its body")


async def test_who_is_refused_at_once_costs_no_task(full: RunningService, tasks: Tasks) -> None:
    answer = await full.client.get(PATH, headers={"x-forwarded-for": "192.0.2.1"})

    assert answer.status_code == 503
    assert PATH not in tasks.paths


@pytest.mark.parametrize(
    ("number", "request_line", "headers"),
    [
        (1, f"GET {PATH} HTTP/1.1", []),
        (2, f"HEAD {PATH} HTTP/1.1", []),
        (3, f"DELETE {PATH}?with=query HTTP/1.1", []),
        (4, f"PROPFIND {PATH} HTTP/1.1", ["Accept: text/html"]),
        (5, f"GET {PATH} HTTP/1.1", ["Connection: close"]),
        (6, f"GET {PATH} HTTP/1.0", []),
        (7, f"GET {PATH} HTTP/1.0", ["Connection: keep-alive"]),
        (8, f"GET {PATH} HTTP/1.1", ["X-Forwarded-Proto: https"]),
        (9, "GET /v1/%22quoted%22/%C3%A4%00%1F%7F%5C%F0%9F%92%A9%FF HTTP/1.1", []),
    ],
)
async def test_its_answer_is_that_of_all_others_to_the_byte(
    full: RunningService, tasks: Tasks, number: int, request_line: str, headers: list[str]
) -> None:
    lines = [f"Host: {HOST}", OWN_ID, from_address(f"192.0.2.{10 + number}"), *headers]
    short, long = ("\r\n".join([request_line, *lines, *more, "", ""]).encode() for more in ([], [THE_LONG_WAY]))

    at_once = await answer_to(full, short)
    has_task = bool(tasks.paths)
    by_a_task = await answer_to(full, long)

    assert not has_task
    assert tasks.paths
    assert at_once.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert NOBODY_KNOWS.findall(at_once)
    assert NOBODY_KNOWS.sub(b"", at_once) == NOBODY_KNOWS.sub(b"", by_a_task)


async def test_who_sends_no_good_id_is_given_one(full: RunningService) -> None:
    answers = [
        await full.client.get(PATH, headers={"x-forwarded-for": "192.0.2.2", "x-request-id": given})
        for given in ("", "short", "not good, really")
    ]

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 3
    assert [answer.json()["request_id"] for answer in answers] == ids
    assert not {"", "short", "not good, really"} & set(ids)


async def test_a_connection_is_kept_or_closed_as_its_caller_wishes(full: RunningService) -> None:
    async with raw_connection(full.client.base_url) as connection:
        await connection.send(head("GET", PATH, from_address("192.0.2.3")))
        await next_answer(connection)
        await connection.send(head("GET", HEALTH))
        healthy = await next_answer(connection)
        await connection.send(head("GET", PATH, from_address("192.0.2.3"), "Connection: close"))
        last = await connection.rest()

    assert healthy.startswith(b"HTTP/1.1 200 ")
    assert last.startswith(b"HTTP/1.1 503 ")


async def test_nothing_behind_the_last_answer_of_a_connection_is_worked_on(full: RunningService, tasks: Tasks) -> None:
    last = head("GET", PATH, from_address("192.0.2.4"), "Connection: close")

    async with raw_connection(full.client.base_url) as connection:
        await connection.send(last + head("GET", HEALTH))
        answers = await connection.rest()

    assert answers.count(b"HTTP/1.1 ") == 1
    assert tasks.paths == []


async def test_of_several_in_one_read_the_first_is_refused_so_and_all_are_answered_in_turn(
    full: RunningService, tasks: Tasks
) -> None:
    ids = [f"request-{number}" for number in range(4)]
    requests = [head("GET", PATH, from_address("192.0.2.5"), f"X-Request-ID: {each}") for each in ids]

    async with raw_connection(full.client.base_url) as connection:
        await connection.send(b"".join(requests))
        answers = [await next_answer(connection) for _ in requests]

    assert [re.findall(rb"x-request-id: (\S+)", answer) for answer in answers] == [[each.encode()] for each in ids]
    assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
    assert len(tasks.paths) < len(ids)


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (f"GET {HEALTH}", [f"Host: {HOST}"], 200),
        (f"GET {PATH}", ["Host: foreign.example.com"], 400),
        (f"GET {PATH}", [f"Host: {HOST}", f"Host: {HOST}"], 400),
        (f"POST {PATH}", [f"Host: {HOST}", "Content-Length: 1"], 503),
        (f"POST {PATH}", [f"Host: {HOST}", "Transfer-Encoding: chunked"], 503),
        (f"GET {PATH}", [f"Host: {HOST}", "Expect: 100-continue"], 503),
        (f"GET {PATH}", [f"Host: {HOST}", "Connection: upgrade", "Upgrade: websocket"], 503),
    ],
)
async def test_others_go_the_long_way(
    full: RunningService, tasks: Tasks, request_line: str, headers: list[str], status: int
) -> None:
    request = "\r\n".join([f"{request_line} HTTP/1.1", *headers, from_address("192.0.2.6"), "", ""]).encode()

    answer = await answer_to(full, request)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert len(tasks.paths) == 1


async def test_an_answer_that_would_wait_for_its_reader_waits_in_a_task(
    full: RunningService, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads nothing could make any number of them be kept otherwise."""
    monkeypatch.setattr(httptools_impl, "FlowControl", Paused)

    answer = await answer_to(full, head("GET", PATH, from_address("192.0.2.30")))

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert tasks.paths == [PATH]


class Paused(FlowControl):
    """As if there were much to be read still."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.write_paused = True


async def test_it_is_counted_and_has_no_line_in_the_log(full: RunningService, tasks: Tasks) -> None:
    before = await scrape(full.management)

    with capture_logs() as events:
        await full.client.get(PATH, headers={"x-forwarded-for": "192.0.2.7"})
        after = await scrape(full.management)

    def added(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert PATH not in tasks.paths
    assert added("http_requests_shed_total", priority="anonymous") == 1
    assert added("http_requests_total", method="GET", route="unmatched", status="503") == 1
    assert added("http_request_duration_seconds_count", method="GET", route="unmatched") == 1
    assert after.value("http_requests_in_flight") == 0
    assert PATH not in [event.get("path") for event in events]


async def test_a_known_key_is_counted_as_one(no_line: None, worker_database_url: str, tasks: Tasks) -> None:
    stage = Stage()
    async with serving(stage, worker_database_url, queue_seconds=10) as service:
        known = await service.client_for("doors:pass")
        assert (await known.get("/v1/doors")).status_code == 200
        async with holding(service, stage):
            with capture_logs() as events:
                await known.get(PATH)
            found = await scrape(service.management)

    assert PATH not in tasks.paths
    assert found.value("http_requests_shed_total", priority="authenticated") == 1
    assert "shedding_began" in [event["event"] for event in events]


async def test_an_address_may_be_refused_as_often_as_on_the_long_way(full: RunningService, tasks: Tasks) -> None:
    await full.client.get(PATH, headers={"x-forwarded-for": "192.0.2.8"})  # from here on the service is shedding

    short, long = [
        [await full.client.get(PATH, headers={"x-forwarded-for": address, **more}) for _ in range(12)]
        for address, more in (("192.0.2.9", {}), ("192.0.2.99", {"origin": "https://page.example.com"}))
    ]

    found = await scrape(full.management)
    assert [answer.status_code for answer in short] == [503] * 10 + [429] * 2
    assert [answer.status_code for answer in long] == [503] * 10 + [429] * 2
    assert short[-1].headers["ratelimit-policy"] == long[-1].headers["ratelimit-policy"]
    assert short[-1].json()["type"] == "urn:problem:address-limit-exceeded"
    assert found.value("http_requests_in_flight") == 0
    assert tasks.paths.count(PATH) == len(long) + 2
