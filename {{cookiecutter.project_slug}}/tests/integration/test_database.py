"""Connections and transactions on a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.persistence import database as database_module
from app.persistence.database import Database, open_database
from app.persistence.database_url import DatabaseURL
from app.persistence.engine import ConnectionOptions, open_connection
from app.persistence.errors import DatabaseBusy, DatabaseUnavailable, StatementTimedOut
from app.resilience.deadline import Deadline
from app.security.public import public
from app.web.dependencies import CurrentResources, Session
from tests.support.counters import counters_table
from tests.support.databases import fetch, options_for
from tests.support.metrics import scrape
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually, until

ROUTER = APIRouter(prefix="/v1/database")

# Seconds; a busy machine needs some of it.
SHORT_BUDGET = 1.0


@ROUTER.get("/sleep")
@public
async def sleep(session: Session, seconds: float) -> None:
    await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


@ROUTER.get("/settings")
@public
async def settings_of_the_connection(session: Session) -> dict[str, str]:
    names = ("application_name", "statement_timeout", "idle_in_transaction_session_timeout", "TimeZone")
    return {name: str(await session.scalar(text("SELECT current_setting(:name)"), {"name": name})) for name in names}


@ROUTER.post("/counters")
@public
async def add(session: Session, fails: bool = False) -> None:
    await session.execute(text("UPDATE counters SET value = value + 1"))
    if fails:
        raise RuntimeError


class Holding:
    """A route that keeps its connection until it is let go."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.let_go = asyncio.Event()
        self.router = APIRouter()
        self.router.add_api_route("/v1/hold", self.hold)
        self.router.add_api_route("/v1/pass", self.take_and_pass_on)

    @public
    async def hold(self, resources: CurrentResources) -> None:
        async with resources.database.transaction() as session:
            await session.execute(text("SELECT 1"))
            self.taken.set()
            await self.let_go.wait()

    @public
    async def take_and_pass_on(self, resources: CurrentResources) -> None:
        async with resources.database.transaction() as session:
            await session.execute(text("SELECT 1"))


@pytest.fixture
def options(worker_database_url: str) -> ConnectionOptions:
    return options_for(worker_database_url)


@pytest.fixture
async def database(options: ConnectionOptions) -> AsyncIterator[Database]:
    opened = open_database(options, pool_size=2, wait_seconds=5)
    yield opened
    await opened.close()


@pytest.fixture
def counters(worker_database_url: str) -> Iterator[str]:
    with counters_table(worker_database_url):
        yield worker_database_url


async def test_callers_are_served_in_the_order_of_their_arrival(database: Database) -> None:
    served: list[int] = []

    async def visit(number: int) -> None:
        async with database.transaction() as session:
            served.append(number)
            # The earlier ones work longest: whoever overtakes would be seen.
            await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": 0.02 if number % 2 else 0.001})

    await asyncio.gather(*(visit(number) for number in range(20)))

    assert served == list(range(20))


async def test_a_caller_who_gave_up_does_not_block_the_line(database: Database) -> None:
    served: list[str] = []

    async def visit(name: str) -> None:
        async with database.line:
            served.append(name)

    async with database.line, database.line:
        impatient = asyncio.create_task(visit("impatient"))
        patient = asyncio.create_task(visit("patient"))
        await until(lambda: database.line.waiting == 2)
        impatient.cancel()
    await patient

    assert served == ["patient"]
    assert (database.line.used, database.line.waiting) == (0, 0)


async def test_never_more_connections_than_the_pool_holds(database: Database) -> None:
    most = 0

    async def visit() -> None:
        nonlocal most
        async with database.transaction() as session:
            most = max(most, database.line.used)
            await session.execute(text("SELECT pg_sleep(0.005)"))

    await asyncio.gather(*(visit() for _ in range(12)))

    assert most == 2


async def test_whoever_waits_too_long_is_told_that_it_is_busy(options: ConnectionOptions) -> None:
    database = open_database(options, pool_size=1, wait_seconds=0.05)

    async with database.line:
        with pytest.raises(DatabaseBusy) as refusal:
            async with database.line:
                pass

    assert refusal.value.retry_after == 1
    assert (database.line.used, database.line.waiting) == (0, 0)
    await database.close()


async def test_health_checks_do_not_queue_behind_requests(database: Database) -> None:
    async with database.transaction() as first, database.transaction() as second:
        await first.execute(text("SELECT 1"))
        await second.execute(text("SELECT 1"))
        async with asyncio.timeout(5):
            await database.ping()
        used = database.line.used

    assert used == 2


async def test_the_server_enforces_the_limits_and_knows_our_name(options: ConnectionOptions) -> None:
    limits = replace(options, application_name="shop", statement_timeout=2.5, idle_in_transaction_timeout=7)
    database = open_database(limits, pool_size=1, wait_seconds=1)

    async with database.transaction() as session:
        shown = [
            await session.scalar(text(f"SHOW {name}"))
            for name in ("application_name", "statement_timeout", "idle_in_transaction_session_timeout")
        ]

    assert shown == ["shop", "2500ms", "7s"]
    await database.close()


async def test_a_name_in_the_url_is_the_connections_name(options: ConnectionOptions) -> None:
    url = replace(options.url, parameters={**options.url.parameters, "application_name": "from the url"})
    database = open_database(replace(options, url=url), pool_size=1, wait_seconds=1)

    async with database.transaction() as session:
        shown = await session.scalar(text("SHOW application_name"))

    assert shown == "from the url"
    await database.close()


async def test_what_was_committed_is_not_cut_off_before_its_answer(
    database: Database, counters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = AsyncSession.commit

    async def commit_and_hear_of_it_late(session: AsyncSession) -> None:
        await commit(session)
        await asyncio.sleep(SHORT_BUDGET + 0.1)

    monkeypatch.setattr(AsyncSession, "commit", commit_and_hear_of_it_late)
    with Deadline(SHORT_BUDGET) as deadline:
        async with database.transaction() as session:
            await session.execute(text("UPDATE counters SET value = value + 1"))
        left = deadline.remaining

    assert left > 0
    assert await fetch(counters, "SELECT DISTINCT value FROM counters") == [1]


async def test_a_transaction_left_idle_is_ended_by_the_server(options: ConnectionOptions) -> None:
    connection = await open_connection(replace(options, idle_in_transaction_timeout=0.05))
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _connection: ended.set())

    await connection.execute("BEGIN")

    await asyncio.wait_for(ended.wait(), timeout=10)
    assert connection.is_closed()


async def test_a_connection_serves_reads_and_transactions_in_turn(options: ConnectionOptions) -> None:
    database = open_database(options, pool_size=1, wait_seconds=1)
    seen: list[tuple[Any, int]] = []

    def look(connection: Connection) -> tuple[Any, int]:
        # PostgreSQL's `now()` is when the transaction began.
        times = {connection.scalar(text("SELECT now()")) for _ in range(2)}
        return connection.scalar(text("SELECT pg_backend_pid()")), len(times)

    for _ in range(2):
        seen.append(await database.read(look))
        async with database.transaction() as session:
            seen.append(await (await session.connection()).run_sync(look))

    server = seen[0][0]
    assert seen == [(server, 2), (server, 1)] * 2
    await database.close()


async def test_a_transaction_is_read_committed_whatever_the_default_is(options: ConnectionOptions) -> None:
    database = open_database(options, pool_size=1, wait_seconds=1)

    strictest = text("SET default_transaction_isolation = 'serializable'")
    await database.read(lambda connection: connection.execute(strictest))
    async with database.transaction() as session:
        default = await session.scalar(text("SHOW default_transaction_isolation"))
        isolation = await session.scalar(text("SHOW transaction_isolation"))

    assert (default, isolation) == ("serializable", "read committed")
    await database.close()


async def test_a_read_that_is_given_up_is_ended_in_the_server_and_gives_its_connection_back(
    options: ConnectionOptions,
) -> None:
    database = open_database(options, pool_size=1, wait_seconds=1)
    running = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query = 'SELECT pg_sleep(60)' AND state = 'active' AND datname = current_database()"
    )

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await database.read(lambda connection: connection.execute(text("SELECT pg_sleep(60)")))

    async def is_ended() -> bool:
        return bool(await database.read(lambda connection: connection.scalar(running)) == 0)

    await eventually(is_ended)
    assert database.line.used == 0
    await database.close()


async def test_a_statement_that_takes_too_long_is_cancelled(options: ConnectionOptions) -> None:
    database = open_database(replace(options, statement_timeout=0.05), pool_size=1, wait_seconds=1)

    with pytest.raises(StatementTimedOut):
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_sleep(10)"))

    await database.close()


@pytest.mark.parametrize(
    ("left", "allowed"), [(4.99, "5s"), (4.81, "5s"), (4.7, "4900ms"), (2.05, "2200ms"), (-1, "200ms")]
)
async def test_a_deadline_only_ever_shortens_the_time_for_a_statement(
    options: ConnectionOptions, monkeypatch: pytest.MonkeyPatch, left: float, allowed: str
) -> None:
    monkeypatch.setattr(database_module, "remaining", lambda: left)
    database = open_database(replace(options, statement_timeout=5), pool_size=1, wait_seconds=1)

    async with database.transaction() as session:
        shown = await session.scalar(text("SHOW statement_timeout"))

    assert shown == allowed
    await database.close()


@pytest.mark.parametrize(
    "url", ["postgresql://me@/app?host=/nowhere", "postgresql://me@127.0.0.1:1/app", "postgresql://me@no.invalid/app"]
)
async def test_a_server_that_cannot_be_reached_is_unavailable(url: str) -> None:
    options = ConnectionOptions(url=DatabaseURL.parse(url), application_name="tests")
    database = open_database(options, pool_size=1, wait_seconds=1)

    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))

    await database.close()


async def test_without_tls_off_the_url_decides(options: ConnectionOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def connect(**arguments: Any) -> None:
        asked.append(arguments.get("ssl"))
        raise OSError

    monkeypatch.setattr("app.persistence.engine.asyncpg.connect", connect)
    strict = ConnectionOptions(DatabaseURL.parse("postgres://me@db/app?sslmode=verify-full"), "tests")

    for tried in (strict, replace(strict, tls_off=True)):
        database = open_database(tried, pool_size=1, wait_seconds=1)
        with pytest.raises(DatabaseUnavailable):
            async with database.probe_connection():
                pass

    assert asked == [True, "disable"]


@pytest.fixture
async def serving(counters: str) -> AsyncIterator[RunningService]:
    settings = settings_for(
        database_url=counters,
        database={"pool_size": 1, "pool_wait_seconds": 0.1, "statement_timeout_seconds": 0.2},
    )
    async with run_service(settings, routers=[ROUTER]) as running:
        yield running


async def test_a_request_commits(serving: RunningService, counters: str) -> None:
    response = await serving.client.post("/v1/database/counters")

    assert response.status_code == 200
    assert await fetch(counters, "SELECT value FROM counters") == [1, 1]


async def test_a_request_that_fails_leaves_nothing(serving: RunningService, counters: str) -> None:
    response = await serving.client.post("/v1/database/counters?fails=true")

    assert response.status_code == 500
    assert await fetch(counters, "SELECT value FROM counters") == [0, 0]


async def test_a_slow_statement_is_answered_with_503(serving: RunningService) -> None:
    response = await serving.client.get("/v1/database/sleep?seconds=10")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["type"] == "urn:problem:statement-timed-out"


async def test_the_settings_reach_the_server(serving: RunningService) -> None:
    response = await serving.client.get("/v1/database/settings")

    assert response.json()["statement_timeout"] == "200ms"
    assert response.json()["idle_in_transaction_session_timeout"] == "15s"
    assert response.json()["application_name"]


async def test_while_all_connections_are_used_the_next_caller_is_told_to_come_back(worker_database_url: str) -> None:
    holding = Holding()
    settings = settings_for(database_url=worker_database_url, database={"pool_size": 1, "pool_wait_seconds": 0.1})

    async with run_service(settings, routers=[holding.router]) as service, asyncio.TaskGroup() as group:
        held = group.create_task(service.client.get("/v1/hold"))
        await asyncio.wait_for(holding.taken.wait(), timeout=10)
        answers = [await service.client.get("/v1/pass") for _ in range(3)]
        holding.let_go.set()

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert {answer.json()["type"] for answer in answers} == {"urn:problem:database-busy"}
    assert held.result().status_code == 200


async def test_an_exhausted_pool_shows_in_the_metrics(worker_database_url: str) -> None:
    holding = Holding()
    settings = settings_for(database_url=worker_database_url, database={"pool_size": 1, "pool_wait_seconds": 10})

    async with run_service(settings, routers=[holding.router]) as service, asyncio.TaskGroup() as group:
        group.create_task(service.client.get("/v1/hold"))
        await eventually(lambda: shows(service, used=1, waiting=0))
        group.create_task(service.client.get("/v1/pass"))
        await eventually(lambda: shows(service, used=1, waiting=1))
        holding.let_go.set()
        await eventually(lambda: shows(service, used=0, waiting=0))


async def shows(service: RunningService, *, used: int, waiting: int) -> bool:
    found = await scrape(service.management)
    pool = found.value("database_pool_connections", state="used"), found.value("database_pool_waiting")
    return pool == (used, waiting)
