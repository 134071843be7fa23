"""Enqueuing: with the data, with the context of the request, and as the installed library expects."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import text

from app.jobs.handler import Schedule
from app.jobs.queue import JobQueue
from app.jobs.schedules import Clock
from app.jobs.store import Store
from app.observability.context import bind_caller
from app.persistence.database import Database, open_database
from app.persistence.migrations import FOLDER
from app.security.public import public
from app.web.dependencies import Jobs, Session
from tests.support.databases import connection_to, fetch, options_for
from tests.support.jobs import Fail, Mark, Tick, enqueue_all
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

ROUTER = APIRouter(prefix="/v1/later")

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
        "due": None,
    }


async def test_workers_are_told_when_the_transaction_commits(service: RunningService, database_url: str) -> None:
    heard: list[Any] = []
    async with connection_to(database_url) as listener:
        await listener.add_listener(CHANNEL, lambda *message: heard.append(message[-1]))
        await service.client.post("/v1/later/bad")
        good = await service.client.post("/v1/later/good")
        await listener.fetch("SELECT 1")

    assert [json.loads(message) for message in heard] == [{"type": "job_inserted", "job_id": good.json()}]


async def test_a_job_waits_for_its_time(database: Database) -> None:
    async with database.transaction() as session:
        queue = JobQueue(session)
        await queue.enqueue(Mark(task=1), run_at=datetime.now(UTC) + timedelta(hours=1))
        due = await queue.enqueue(Mark(task=2), run_at=datetime.now(UTC) - timedelta(seconds=1))
    store = Store(database)
    worker = await store.register()

    first, second = await store.fetch(worker), await store.fetch(worker)

    assert first is not None
    assert (first.id, second) == (due, None)


def test_the_migration_installs_the_schema_of_the_installed_library() -> None:
    installed = (resources.files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
    [ours] = sorted((FOLDER / "platform").glob("procrastinate_*.sql"))

    assert ours.read_text(encoding="utf-8").endswith(installed), (
        "procrastinate's schema has changed: leave the old file as it is, add a platform revision with the library's "
        "own migrations since that version (in its sql/migrations), and compare what the two make of a database here"
    )


async def test_two_rescuers_at_the_same_time_rescue_each_job_once(database: Database, database_url: str) -> None:
    store = Store(database)
    await enqueue_all(database_url, *(Mark(task=task) for task in range(20)))
    dead, *alive = [await store.register() for _ in range(3)]
    for _ in range(20):
        await store.fetch(dead)
    async with connection_to(database_url) as connection:
        await connection.execute("UPDATE procrastinate_workers SET last_heartbeat = '2020-01-01' WHERE id = $1", dead)

    rescued = await asyncio.gather(
        *(store.rescue(worker=worker, running=[], stalled_seconds=30, attempts_allowed={}) for worker in alive)
    )

    assert len([job for found in rescued for job in found]) == 20
    assert await fetch(database_url, "SELECT DISTINCT status || ' ' || attempts FROM procrastinate_jobs") == ["todo 1"]


async def test_an_outcome_is_not_taken_from_a_worker_that_lost_the_job(database: Database, database_url: str) -> None:
    store = Store(database)
    [job] = await enqueue_all(database_url, Fail())
    former, present = await store.register(), await store.register()
    await store.fetch(former)
    async with connection_to(database_url) as connection:
        await connection.execute("DELETE FROM procrastinate_workers WHERE id = $1", former)
    await store.rescue(worker=present, running=[], stalled_seconds=30, attempts_allowed={})
    await store.fetch(present)

    late = await store.settle(job, worker=former, status="failed", wait_seconds=0)
    right = await store.settle(job, worker=present, status="succeeded", wait_seconds=0)

    assert (late, right) == (False, True)


async def test_a_job_that_was_taken_and_never_arrived_is_rescued(database: Database, database_url: str) -> None:
    store = Store(database)
    known, lost = await enqueue_all(database_url, Mark(task=1), Mark(task=2))
    worker = await store.register()
    await store.fetch(worker)
    await store.fetch(worker)

    rescued = await store.rescue(worker=worker, running=[known], stalled_seconds=30, attempts_allowed={})

    assert [(job.id, job.attempts) for job in rescued] == [(lost, 0)]


async def test_a_scheduled_job_is_enqueued_once_for_each_time(database: Database) -> None:
    store, schedule = Store(database), Schedule("* * * * *", Tick())

    assert [await store.defer_scheduled(schedule, due=due) for due in (60, 60, 120)] == [True, False, True]


@pytest.mark.parametrize(("minutes_late", "made_up_for"), [(9, 1), (11, 0)])
async def test_of_what_was_missed_while_no_worker_lived_only_the_last_is_made_up_for(
    database: Database, database_url: str, minutes_late: int, made_up_for: int
) -> None:
    seven_o_clock = datetime(2026, 6, 1, 7, tzinfo=UTC).timestamp()
    clock = Clock([Schedule("0 * * * *", Tick())], Store(database))

    await clock.enqueue_due(at=seven_o_clock + minutes_late * 60)

    due = await fetch(database_url, "SELECT (args ->> 'due')::bigint FROM procrastinate_jobs")
    assert due == [seven_o_clock] * made_up_for


async def test_the_sample_tells_what_waits_for_how_long_and_what_failed(database: Database, database_url: str) -> None:
    store = Store(database)
    await enqueue_all(database_url, Mark(task=1), Mark(task=2), Fail())
    async with connection_to(database_url) as connection:
        await connection.execute("UPDATE procrastinate_events SET at = now() - interval '90 s'")
        await connection.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'test.fail'")

    sample = await store.sample()

    assert (sample.waiting, sample.failed) == (2, 1)
    assert 90 <= sample.oldest_seconds < 120
