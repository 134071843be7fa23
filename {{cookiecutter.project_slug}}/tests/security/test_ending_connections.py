"""Callers who read nothing, ask for more than they wait for, leave, or stay: each costs a little, for a while."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextvars import ContextVar
from weakref import WeakSet

import pytest
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.security.public import public
from app.web import connection as connections
from app.web.connection import MOST_WAITING
from app.web.protocol import BoundedProtocol
from tests.support.answers import answers_in
from tests.support.impatience import SECONDS
from tests.support.raw_http import head, raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import comes_true, until

LONGEST = 20 * SECONDS

MORE_THAN_SOCKETS_HOLD = 16 * 1024 * 1024

# Of someone who reads slowly: together longer than the service waits for one who reads nothing.
PAUSE_SECONDS = 0.01
STEP_SECONDS = 1.0

router = APIRouter(prefix="/v1/long")

has_begun, has_ended = asyncio.Event(), asyncio.Event()


@router.get("/stream")
@public
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
                await asyncio.sleep(0)  # as one does that reads from somewhere
        finally:
            has_ended.set()

    return StreamingResponse(parts())


@router.get("/answer")
@public
async def answer() -> Response:
    return Response(b"x" * MORE_THAN_SOCKETS_HOLD)


@router.get("/wait")
@public
async def wait_until_alone(request: Request) -> None:
    has_begun.set()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    has_ended.set()


class Keepsake:
    """Something that a request works with."""


keepsakes: WeakSet[Keepsake] = WeakSet()
current_keepsake: ContextVar[Keepsake] = ContextVar("keepsake")


@router.get("/in-state")
@public
async def keep_in_state(request: Request) -> None:
    keepsakes.add(keepsake := Keepsake())
    request.state.keepsake = keepsake


@router.get("/in-context")
@public
async def keep_in_context() -> None:
    keepsakes.add(keepsake := Keepsake())
    current_keepsake.set(keepsake)


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "READING_SECONDS", SECONDS)
        async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
            yield running


async def test_who_asks_for_much_at_once_gets_the_first_answers_and_then_the_end(running: RunningService) -> None:
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("GET", "/health/live") * 999, head("GET", "/health/live", "Connection: close"))
        answers = list(answers_in(await connection.rest()))

    assert [answer.status for answer in answers] == [200] * (1 + MOST_WAITING)
    assert answers[-1].all("connection") == ["close"]


async def test_who_does_not_read_an_answer_does_not_hold_it(running: RunningService) -> None:
    has_ended.clear()

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("GET", "/v1/long/stream"))
        assert await comes_true(has_ended.is_set, within_seconds=LONGEST)


async def test_who_does_not_read_the_last_answer_does_not_hold_it_either(running: RunningService) -> None:
    async with raw_connection(running.client.base_url) as connection, asyncio.timeout(LONGEST):
        await connection.send(head("GET", "/v1/long/answer", "Connection: close"))
        with pytest.raises(ConnectionError):
            await connection.send_for_ever(b"x" * 65_536)


async def test_who_reads_slowly_gets_the_whole_answer(running: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    # Sockets hold a megabyte or more and take the next one at once, so progress is seen in large steps.
    monkeypatch.setattr(connections, "READING_SECONDS", STEP_SECONDS)
    clock, pieces = asyncio.get_running_loop(), []

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("GET", "/v1/long/answer", "Connection: close"))
        began = clock.time()
        while piece := await asyncio.wait_for(connection.reader.read(65_536), LONGEST):
            pieces.append(piece)
            await asyncio.sleep(PAUSE_SECONDS)

    assert clock.time() - began > 2 * STEP_SECONDS
    [answer] = answers_in(b"".join(pieces))
    assert len(answer.body) == MORE_THAN_SOCKETS_HOLD


async def test_who_leaves_is_missed_by_the_request_that_is_served_not_only_by_the_newest(
    running: RunningService,
) -> None:
    """One that is not told goes on to answer, and with uvloop that is a crash."""
    has_begun.clear()
    has_ended.clear()

    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("GET", "/v1/long/wait") * 2)
        await until(has_begun.is_set)
        connection.writer.transport.abort()
        assert await comes_true(has_ended.is_set, within_seconds=LONGEST)


@pytest.mark.parametrize("place", ["state", "context"])
async def test_who_stays_does_not_hold_what_was_answered(running: RunningService, place: str) -> None:
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("GET", f"/v1/long/in-{place}"))
        assert await connection.status() == 200
        assert await comes_true(nothing_is_kept, within_seconds=LONGEST)


def nothing_is_kept() -> bool:
    gc.collect()
    return not keepsakes


async def test_who_stays_does_not_hold_the_body_that_nobody_read(running: RunningService) -> None:
    async with raw_connection(running.client.base_url) as connection:
        await connection.send(head("POST", "/v1/long/nowhere", "Content-Length: 9000") + b"x" * 9000)
        assert await connection.status() == 404
        assert await comes_true(lambda: largest_body_held() == 0, within_seconds=LONGEST)


def largest_body_held() -> int:
    protocols = [each for each in gc.get_objects() if isinstance(each, BoundedProtocol)]
    return max(len(protocol.cycle.body) for protocol in protocols if protocol.cycle)
