"""Every request is answered in its time or its work ends, in the database too; and also when its caller goes away."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Request, Response
from sqlalchemy import text
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.security.public import public
from app.web.dependencies import CurrentResources, Session
from app.web.middleware import abandoned_requests
from tests.support.databases import fetch
from tests.support.metrics import scrape
from tests.support.raw_http import head, raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually, until

# What a test waits for if the feature is missing: long enough to be sure, short enough to fail soon.
TOO_LONG = 2.0
SHORT = {"x-request-timeout": "0.05"}

QUERIES = "SELECT query FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"


class Late(Response):
    """Begins at the very moment in which it is cancelled."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(TOO_LONG)
        finally:
            await send({"type": "http.response.start", "status": 200, "headers": []})


class Stage:
    """Routes that take their time, and what became of them."""

    def __init__(self) -> None:
        self.begin_anew()
        self.router = APIRouter(prefix="/v1/slow")
        self.router.add_api_route("/work", self.work, methods=["GET", "POST"])
        self.router.add_api_route("/query", self.query)
        self.router.add_api_route("/connection", self.take_connection)
        self.router.add_api_route("/held-connection", self.hold_connection, methods=["POST"])
        self.router.add_api_route("/statement-timeout", self.tell_statement_timeout)
        self.router.add_api_route("/stream", self.stream)
        self.router.add_api_route("/late", self.begin_late)
        self.router.add_api_route("/body", self.read_body, methods=["POST"])
        self.router.add_api_route("/body-later", self.read_no_body)

    def begin_anew(self) -> None:
        self.began = asyncio.Event()
        self.let_go = asyncio.Event()
        self.looked = asyncio.Event()
        self.outcome = ""

    @public
    async def work(self) -> str:
        self.began.set()
        try:
            await asyncio.sleep(TOO_LONG)
        except asyncio.CancelledError:
            self.outcome = "cancelled"
            raise
        self.outcome = "finished"
        return self.outcome

    @public
    async def query(self, session: Session) -> None:
        await session.execute(text("SELECT pg_sleep(60)"))

    @public
    async def take_connection(self, resources: CurrentResources) -> None:
        async with resources.database.transaction() as session:
            await session.execute(text("SELECT 1"))

    @public
    async def hold_connection(self, resources: CurrentResources) -> None:
        async with resources.database.transaction() as session:
            await session.execute(text("SELECT 1"))
            self.began.set()
            await asyncio.wait_for(self.let_go.wait(), timeout=10)

    @public
    async def tell_statement_timeout(self, session: Session) -> str:
        return str(await session.scalar(text("SELECT current_setting('statement_timeout')")))

    @public
    async def stream(self) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            self.began.set()
            yield b"a"
            await asyncio.wait_for(self.let_go.wait(), timeout=10)
            yield b"b"

        return StreamingResponse(parts())

    @public
    async def begin_late(self) -> Late:
        return Late()

    @public
    async def read_body(self, request: Request) -> str:
        self.began.set()
        return (await request.body()).decode()

    @public
    async def read_no_body(self, request: Request) -> str:
        await asyncio.wait_for(self.looked.wait(), timeout=10)
        self.looked.clear()
        return (await request.body()).decode() + "read"


@pytest.fixture(scope="module")
def one_stage() -> Stage:
    return Stage()


@pytest.fixture
def stage(one_stage: Stage) -> Stage:
    one_stage.begin_anew()
    return one_stage


@pytest.fixture(scope="module")
async def serving(one_stage: Stage, worker_database_url: str) -> AsyncIterator[RunningService]:
    settings = settings_for(database_url=worker_database_url, database={"pool_size": 1})
    async with run_service(settings, routers=[one_stage.router]) as running:
        yield running


@pytest.fixture(scope="module")
async def hurried(one_stage: Stage, worker_database_url: str) -> AsyncIterator[RunningService]:
    """Answers within a twentieth of a second."""
    settings = settings_for(database_url=worker_database_url, request={"timeout_seconds": 0.05})
    async with run_service(settings, routers=[one_stage.router]) as running:
        yield running


async def test_what_takes_too_long_is_cancelled_and_answered_with_504(hurried: RunningService, stage: Stage) -> None:
    response = await hurried.client.post("/v1/slow/work")

    assert response.status_code == 504
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "urn:problem:deadline-exceeded"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert stage.outcome == "cancelled"


async def test_a_caller_may_shorten_its_time(serving: RunningService, stage: Stage) -> None:
    response = await serving.client.get("/v1/slow/work", headers=SHORT)

    assert response.status_code == 504
    assert stage.outcome == "cancelled"


async def test_a_caller_may_not_lengthen_it(hurried: RunningService) -> None:
    response = await hurried.client.get("/v1/slow/work", headers={"x-request-timeout": "60"})

    assert response.status_code == 504


async def test_of_several_times_the_shortest_counts(serving: RunningService) -> None:
    several = [("x-request-timeout", "0.05"), ("x-request-timeout", "60")]

    response = await serving.client.get("/v1/slow/work", headers=several)

    assert response.status_code == 504


@pytest.mark.parametrize("sent", ["", "soon", "-1", "0", "0.0", "1e3", "1,5", "inf", "nan", "9" * 20, "\xb2"])
async def test_a_time_that_cannot_be_read_is_refused_with_what_to_send(serving: RunningService, sent: str) -> None:
    response = await serving.client.get("/v1/slow/body-later", headers=[(b"x-request-timeout", sent.encode("latin-1"))])

    assert response.status_code == 400
    assert response.json()["type"] == "urn:problem:timeout-unreadable"
    assert "a number of seconds" in response.json()["detail"]


async def test_health_is_asked_without_a_deadline(serving: RunningService) -> None:
    tiny = await serving.client.get("/health/ready", headers={"x-request-timeout": "0.000001"})
    unreadable = await serving.client.get("/health/live", headers={"x-request-timeout": "soon"})

    assert (tiny.status_code, unreadable.status_code) == (200, 200)


async def test_its_query_is_cancelled_in_the_database(serving: RunningService, worker_database_url: str) -> None:
    response = await serving.client.get("/v1/slow/query", headers={"x-request-timeout": "0.3"})

    assert response.status_code == 504
    await eventually(lambda: nothing_runs(worker_database_url))
    assert (await serving.client.get("/v1/slow/connection")).status_code == 200


async def nothing_runs(url: str) -> bool:
    return await fetch(url, QUERIES) == []


async def test_waiting_for_a_connection_takes_no_longer_than_the_request_may(
    serving: RunningService, stage: Stage
) -> None:
    async with asyncio.TaskGroup() as group:
        held = group.create_task(serving.client.post("/v1/slow/held-connection"))
        await asyncio.wait_for(stage.began.wait(), timeout=10)
        response = await serving.client.get("/v1/slow/connection", headers=SHORT)
        waiting = (await scrape(serving.management)).value("database_pool_waiting")
        stage.let_go.set()
    afterwards = await serving.client.get("/v1/slow/connection")

    assert response.status_code == 504
    assert waiting == 0
    assert (held.result().status_code, afterwards.status_code) == (200, 200)


async def test_the_server_is_told_of_a_deadline_that_is_shorter_than_its_own(serving: RunningService) -> None:
    usual = await serving.client.get("/v1/slow/statement-timeout")
    short = await serving.client.get("/v1/slow/statement-timeout", headers={"x-request-timeout": "2"})
    afterwards = await serving.client.get("/v1/slow/statement-timeout")

    assert (usual.json(), afterwards.json()) == ("5s", "5s")
    assert short.json() in {"2s", "2100ms"}


async def test_an_answer_that_has_begun_may_take_its_time(hurried: RunningService, stage: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        streamed = group.create_task(hurried.client.get("/v1/slow/stream"))
        await outlast_a_deadline(hurried, stage)
        stage.let_go.set()
    response = streamed.result()

    assert response.status_code == 200
    assert response.content == b"ab"


async def outlast_a_deadline(hurried: RunningService, stage: Stage) -> None:
    """Of what has begun: another request, which begins later, is out of time."""
    await asyncio.wait_for(stage.began.wait(), timeout=10)
    later = await hurried.client.get("/v1/slow/work")
    assert later.status_code == 504


async def test_an_answer_that_begins_too_late_is_cut_and_not_answered_twice(hurried: RunningService) -> None:
    async with raw_connection(hurried.client.base_url) as connection:
        await connection.send(head("GET", "/v1/slow/late"))
        received = await connection.rest()

    assert received.count(b"HTTP/1.1 ") == 1
    assert b"0\r\n\r\n" not in received


async def test_the_time_in_which_the_body_arrives_does_not_count(hurried: RunningService, stage: Stage) -> None:
    async with raw_connection(hurried.client.base_url) as connection:
        await connection.send(head("POST", "/v1/slow/body", "Content-Length: 4"), b"ab")
        await outlast_a_deadline(hurried, stage)
        await connection.send(b"cd")

        assert await connection.status() == 200


async def test_when_its_caller_goes_away_a_read_is_cancelled_and_logged_so(
    stage: Stage, worker_database_url: str
) -> None:
    async with run_service(settings_for(database_url=worker_database_url), routers=[stage.router]) as service:
        with capture_logs() as events:
            async with raw_connection(service.client.base_url) as connection:
                await connection.send(head("GET", "/v1/slow/work"))
                await asyncio.wait_for(stage.began.wait(), timeout=10)
            await until(lambda: statuses(events) != [])

    assert stage.outcome == "cancelled"
    assert statuses(events) == [499]
    assert [event for event in events if event["event"] == "crash"] == []


def statuses(events: Sequence[MutableMapping[str, Any]]) -> list[int]:
    return [event["status"] for event in events if event["event"] == "request"]


async def test_when_its_caller_goes_away_a_change_is_finished(serving: RunningService, stage: Stage) -> None:
    async with raw_connection(serving.client.base_url) as connection:
        await connection.send(head("POST", "/v1/slow/work"))
        await asyncio.wait_for(stage.began.wait(), timeout=10)
    await until(lambda: stage.outcome != "")

    assert stage.outcome == "finished"


async def test_the_query_of_a_caller_who_went_away_ends(serving: RunningService, worker_database_url: str) -> None:
    async with raw_connection(serving.client.base_url) as connection:
        await connection.send(head("GET", "/v1/slow/query"))
        await eventually(lambda: something_runs(worker_database_url))

    await eventually(lambda: nothing_runs(worker_database_url), within_seconds=4)
    assert (await serving.client.get("/v1/slow/connection")).status_code == 200


async def something_runs(url: str) -> bool:
    return not await nothing_runs(url)


@pytest.fixture
def looking(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers are looked out for at once, and the stage knows when something of theirs has been received so."""

    class Telling(abandoned_requests.Watch):
        async def look(self) -> None:
            source = self.source

            async def receive_and_tell() -> Message:
                message = await source()
                stage.looked.set()
                return message

            self.source = receive_and_tell
            await super().look()

    monkeypatch.setattr(abandoned_requests, "Watch", Telling)
    monkeypatch.setattr(abandoned_requests, "QUICK_SECONDS", 0)


@pytest.mark.usefixtures("looking")
async def test_what_was_received_while_looking_out_is_still_there_to_be_read(serving: RunningService) -> None:
    response = await serving.client.get("/v1/slow/body-later")

    assert (response.status_code, response.json()) == (200, "read")


@pytest.mark.usefixtures("looking")
async def test_one_connection_serves_a_slow_request_after_another(serving: RunningService) -> None:
    answers: list[httpx2.Response] = [await serving.client.get("/v1/slow/body-later") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
