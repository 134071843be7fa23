"""A transaction that the database rolled back is run again, unless that could do harm."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from app.core.errors import Conflict
from app.persistence.errors import TransactionRolledBack
from app.security.public import public
from app.web.dependencies import CurrentResources, Session
from tests.support.counters import Rendezvous, counters_table
from tests.support.databases import fetch
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for


class Tables(DeclarativeBase):
    """Of this file."""


class Counter(Tables):
    __tablename__ = "counters"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Change(BaseModel):
    by: int
    order: list[int] = [1, 2]


class Stage:
    """Routes that run into trouble, and how often they were run."""

    def __init__(self) -> None:
        self.rendezvous = Rendezvous(2)
        self.tries = 0
        self.router = APIRouter(prefix="/v1/counters")
        self.router.add_api_route("/serializable", self.add_serializably, methods=["POST"])
        self.router.add_api_route("/deadlock", self.add_stepwise, methods=["POST"])
        self.router.add_api_route("/hopeless", self.fail_always, methods=["POST"])
        self.router.add_api_route("/streamed", self.fail_in_the_answer)
        self.router.add_api_route("/lost-while-working", self.lose_connection_once, methods=["POST"])
        self.router.add_api_route("/lost-before-writing", self.lose_connection_before_writing, methods=["POST"])
        self.router.add_api_route("/lost-at-commit", self.lose_connection_at_commit, methods=["POST"])
        self.router.add_api_route("/lost-and-refused", self.lose_connection_and_refuse, methods=["POST"])
        self.router.add_api_route("/who", who)

    @public
    async def add_serializably(self, change: Change, session: Session) -> int:
        """Two at once read the same state: the second to commit must fail."""
        self.tries += 1
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        total = await session.scalar(text("SELECT sum(value) FROM counters"))
        await self.rendezvous.meet()
        await session.execute(text("UPDATE counters SET value = :value WHERE id = 1"), {"value": total + change.by})
        return int(total) + change.by

    @public
    async def add_stepwise(self, change: Change, session: Session) -> None:
        """Two at once in opposite sequence wait for each other."""
        self.tries += 1
        for number, counter in enumerate(change.order):
            statement = text("UPDATE counters SET value = value + :by WHERE id = :id")
            await session.execute(statement, {"by": change.by, "id": counter})
            if number == 0:
                await self.rendezvous.meet()

    @public
    async def fail_always(self) -> None:
        self.tries += 1
        raise TransactionRolledBack

    @public
    async def fail_in_the_answer(self) -> StreamingResponse:
        self.tries += 1

        async def rows() -> AsyncIterator[bytes]:
            yield b"first row"
            raise TransactionRolledBack

        return StreamingResponse(rows())

    @public
    async def lose_connection_once(self, session: Session, resources: CurrentResources) -> None:
        self.tries += 1
        await session.execute(text("UPDATE counters SET value = value + 1 WHERE id = 1"))
        if self.tries == 1:
            await end_backend_of(session, resources)
        await session.execute(text("UPDATE counters SET value = value + 1 WHERE id = 2"))

    @public
    async def lose_connection_before_writing(self, session: Session, resources: CurrentResources) -> None:
        """What is added is written at the end, in front of the commit."""
        self.tries += 1
        session.add(Counter(id=3, value=1))
        with session.no_autoflush:
            if self.tries == 1:
                await end_backend_of(session, resources)

    @public
    async def lose_connection_at_commit(self, session: Session, resources: CurrentResources) -> None:
        self.tries += 1
        await session.execute(text("UPDATE counters SET value = value + 1 WHERE id = 1"))
        await end_backend_of(session, resources)

    @public
    async def lose_connection_and_refuse(self, session: Session, resources: CurrentResources) -> None:
        self.tries += 1
        if self.tries == 1:
            await end_backend_of(session, resources)
        raise Conflict("The counter is taken.")


@public
async def who(request: Request, session: Session) -> str:
    assert await session.scalar(text("SELECT 1")) == 1
    return request.url.path


async def end_backend_of(session: Session, resources: CurrentResources) -> None:
    """As when the database fails over: nobody asked this client."""
    backend = await session.scalar(text("SELECT pg_backend_pid()"))
    async with resources.database.probe_connection() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def counters_url(worker_database_url: str) -> Iterator[str]:
    with counters_table(worker_database_url):
        yield worker_database_url


@pytest.fixture
async def counting(stage: Stage, counters_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=counters_url), routers=[stage.router]) as running:
        yield running


async def test_of_two_conflicting_transactions_the_loser_is_run_again(
    counting: RunningService, stage: Stage, counters_url: str
) -> None:
    first, second = await asyncio.gather(
        counting.client.post("/v1/counters/serializable", json={"by": 1}),
        counting.client.post("/v1/counters/serializable", json={"by": 10}),
    )

    assert (first.status_code, second.status_code) == (200, 200)
    assert max(first.json(), second.json()) == 11
    assert await fetch(counters_url, "SELECT value FROM counters WHERE id = 1") == [11]
    assert stage.tries == 3


async def test_the_victim_of_a_deadlock_is_run_again_with_its_body(
    counting: RunningService, stage: Stage, counters_url: str
) -> None:
    first, second = await asyncio.gather(
        counting.client.post("/v1/counters/deadlock", json={"by": 1, "order": [1, 2]}),
        counting.client.post("/v1/counters/deadlock", json={"by": 10, "order": [2, 1]}),
    )

    assert (first.status_code, second.status_code) == (200, 200)
    assert await fetch(counters_url, "SELECT value FROM counters ORDER BY id") == [11, 11]
    assert stage.tries == 3


async def test_after_three_tries_it_gives_up(counting: RunningService, stage: Stage) -> None:
    with capture_logs() as events:
        response = await counting.client.post("/v1/counters/hopeless")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert stage.tries == 3
    assert [event["attempt"] for event in events if event["event"] == "transaction_rolled_back"] == [1, 2, 3]
    assert [event["route"] for event in events if event["event"] == "request"] == ["/v1/counters/hopeless"]


async def test_nothing_is_run_again_once_the_answer_has_begun(counting: RunningService, stage: Stage) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await counting.client.get("/v1/counters/streamed")

    assert stage.tries == 1


async def test_a_connection_lost_before_the_commit_is_no_loss(
    counting: RunningService, stage: Stage, counters_url: str
) -> None:
    response = await counting.client.post("/v1/counters/lost-while-working")

    assert response.status_code == 200
    assert stage.tries == 2
    assert await fetch(counters_url, "SELECT value FROM counters ORDER BY id") == [1, 1]


async def test_a_connection_lost_during_the_commit_is_told_and_not_run_again(
    counting: RunningService, stage: Stage
) -> None:
    response = await counting.client.post("/v1/counters/lost-at-commit")

    assert response.status_code == 503
    assert stage.tries == 1


async def test_a_connection_lost_before_the_writing_is_not_taken_for_one_lost_at_the_commit(
    counting: RunningService, stage: Stage, counters_url: str
) -> None:
    response = await counting.client.post("/v1/counters/lost-before-writing")

    assert (response.status_code, stage.tries) == (200, 2)
    assert await fetch(counters_url, "SELECT value FROM counters WHERE id = 3") == [1]


async def test_a_connection_lost_meanwhile_does_not_hide_what_the_route_says(counting: RunningService) -> None:
    response = await counting.client.post("/v1/counters/lost-and-refused")

    assert response.status_code == 409


async def test_connections_that_died_while_idle_are_replaced_and_not_retried(
    counting: RunningService, counters_url: str
) -> None:
    await asyncio.gather(*(counting.client.get("/v1/counters/who") for _ in range(4)))
    await fetch(
        counters_url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    with capture_logs() as events:
        answers = await asyncio.gather(*(counting.client.get("/v1/counters/who") for _ in range(8)))

    assert [answer.status_code for answer in answers] == [200] * 8
    assert [event for event in events if event["event"] == "transaction_rolled_back"] == []
