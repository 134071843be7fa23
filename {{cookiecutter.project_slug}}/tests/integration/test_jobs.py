"""Enqueuing: with the data, with the context of the request, and as the installed library expects."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from fastapi import APIRouter
from procrastinate import periodic
from sqlalchemy import text

from app.jobs.queue import JobQueue
from app.jobs.rescue import Rescue
from app.jobs.sampling import sample
from app.observability.context import bind_caller
from app.persistence.database import Database, open_database
from app.persistence.migrations import FOLDER
from app.security.public import public
from app.web.dependencies import Jobs, Session
from tests.support.databases import connection_to, fetch, options_for
from tests.support.jobs import Fail, Mark, enqueue_all, library, silent_recorder
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

ROUTER = APIRouter(prefix="/v1/later")

# What a worker takes next; no worker is known by this number.
TAKE = "SELECT (procrastinate_fetch_job_v2(NULL, NULL)).id"

CHANNEL = "procrastinate_any_queue_v1"


@ROUTER.post("/good")
@public
async def enqueue_one(jobs: Jobs) -> int:
    bind_caller(user="user-1", tenant="tenant-1")
    return await jobs.enqueue(Mark(task=1))


@ROUTER.post("/bad")
@public
async def enqueue_and_crash(jobs: Jobs, session: Session) -> None:
    await jobs.enqueue(Mark(task=1))
    await session.execute(text("SELECT 1 / 0"))


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=database_url), routers=[ROUTER]) as running:
        yield running


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(options_for(database_url), pool_size=4, wait_seconds=5)
    yield opened
    await opened.close()


async def test_a_job_is_there_if_the_data_are_and_not_otherwise(service: RunningService, database_url: str) -> None:
    bad = await service.client.post("/v1/later/bad")
    good = await service.client.post("/v1/later/good")

    assert (bad.status_code, good.status_code) == (500, 200)
    assert await fetch(database_url, "SELECT id FROM procrastinate_jobs") == [good.json()]


async def test_a_job_carries_the_context_of_its_request(service: RunningService, database_url: str) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-ID": "request-0001", "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}

    await service.client.post("/v1/later/good", headers=headers)

    [payload] = await fetch(database_url, "SELECT args::text FROM procrastinate_jobs")
    assert json.loads(payload) == {
        "job": {"task": 1, "milliseconds": 0},
        "context": {"request_id": "request-0001", "trace_id": trace_id, "user": "user-1", "tenant": "tenant-1"},
    }


async def test_workers_are_told_when_the_transaction_commits(service: RunningService, database_url: str) -> None:
    heard: list[Any] = []
    async with connection_to(database_url) as listener:
        await listener.add_listener(CHANNEL, lambda *message: heard.append(message[-1]))
        await service.client.post("/v1/later/bad")
        good = await service.client.post("/v1/later/good")
        await listener.fetch("SELECT 1")

    assert [json.loads(message) for message in heard] == [{"type": "job_inserted", "job_id": good.json()}]


async def test_a_job_waits_for_its_time(database: Database, database_url: str) -> None:
    async with database.transaction() as session:
        queue = JobQueue(session)
        await queue.enqueue(Mark(task=1), run_at=datetime.now(UTC) + timedelta(hours=1))
        due = await queue.enqueue(Mark(task=2), run_at=datetime.now(UTC) - timedelta(seconds=1))

    assert await fetch(database_url, TAKE) == [due]
    assert await fetch(database_url, TAKE) == [None]


def test_the_migration_installs_the_schema_of_the_installed_library() -> None:
    installed = (resources.files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
    [ours] = sorted((FOLDER / "platform").glob("procrastinate_*.sql"))

    assert ours.read_text(encoding="utf-8").endswith(installed), (
        "procrastinate's schema has changed: leave the old file as it is, add a platform revision with the library's "
        "own migrations since that version (in its sql/migrations), and compare what the two make of a database here"
    )


async def test_two_rescuers_at_the_same_time_rescue_each_job_once(database_url: str) -> None:
    await enqueue_all(database_url, *(Mark(task=task) for task in range(20)))
    for _ in range(20):
        await fetch(database_url, TAKE)

    async with rescuer(database_url) as one, rescuer(database_url) as other:
        await asyncio.gather(one.look(), other.look())

    assert await fetch(database_url, "SELECT DISTINCT status || ' ' || attempts FROM procrastinate_jobs") == ["todo 1"]


def test_what_was_missed_is_made_up_for_as_long_as_we_promise() -> None:
    assert periodic.MAX_DELAY == 10 * 60, "the docstring of Schedule names ten minutes"


@asynccontextmanager
async def rescuer(url: str) -> AsyncIterator[Rescue]:
    """A live worker's; the test's jobs were taken by one that nobody knows."""
    app = library(url)
    async with app.open_async():
        yield Rescue(app, recorder=silent_recorder(), attempts_allowed={}, stalled_seconds=30)


async def test_the_sample_tells_what_waits_for_how_long_and_what_failed(database: Database, database_url: str) -> None:
    await enqueue_all(database_url, Mark(task=1), Mark(task=2), Fail())
    async with connection_to(database_url) as connection:
        await connection.execute("UPDATE procrastinate_events SET at = now() - interval '90 s'")
        await connection.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'test.fail'")

    found = await sample(database)

    assert (found.waiting, found.failed) == (2, 1)
    assert 90 <= found.oldest_seconds < 120
