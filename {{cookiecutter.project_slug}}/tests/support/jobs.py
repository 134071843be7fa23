"""Jobs of the tests' own, and how to enqueue and look at them."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import text

from app.jobs.job import Job
from app.jobs.queue import JobQueue
from app.persistence.database import open_database
from app.resources import Resources
from tests.support.databases import execute, fetch, options_for

log = structlog.get_logger()


class Mark(Job):
    """Do a task of the table, unless it is done."""

    name = "test.mark"
    task: int
    milliseconds: int = 0


class Fail(Job):
    """Whatever one does."""

    name = "test.fail"
    max_attempts = 3
    remark: str = "argument-never-logged"


class Recover(Job):
    """Fail at the first attempt only."""

    name = "test.recover"
    task: int


class Linger(Job):
    """Take a while."""

    name = "test.linger"
    seconds: float


class LingerOnce(Linger):
    """May be tried once."""

    name = "test.linger-once"
    max_attempts = 1


class Block(Job):
    """Start a thread that nobody can interrupt."""

    name = "test.block"


class Dawdle(Job):
    """Take longer than allowed."""

    name = "test.dawdle"
    max_attempts = 1
    time_limit_seconds = 0.2


class KillWorker(Job):
    """Take the worker along."""

    name = "test.kill-worker"
    max_attempts = 2


class Tick(Job):
    """Count the seconds."""

    name = "test.tick"


class Unlisted(Job):
    """Nobody does this."""

    name = "test.unlisted"


async def mark(job: Mark, resources: Resources) -> None:
    """The effect and the note that it has happened, in one transaction: however often it runs, once."""
    async with resources.database.transaction() as session:
        found = await session.execute(
            text("SELECT id FROM tasks WHERE id = :id AND NOT done FOR UPDATE"), {"id": job.task}
        )
        if found.first() is not None:
            await session.execute(text("INSERT INTO effects (task) VALUES (:id)"), {"id": job.task})
            await asyncio.sleep(job.milliseconds / 1000)
            await session.execute(text("UPDATE tasks SET done = true WHERE id = :id"), {"id": job.task})


async def fail(_job: Fail, _resources: Resources) -> None:
    raise RuntimeError("it never works")


async def recover(job: Recover, resources: Resources) -> None:
    async with resources.database.transaction() as session:
        await session.execute(text("INSERT INTO effects (task) VALUES (:id)"), {"id": job.task})
        times = await session.scalar(text("SELECT count(*) FROM effects WHERE task = :id"), {"id": job.task})
    if times == 1:
        raise RuntimeError("not yet")


async def linger(job: Linger, _resources: Resources) -> None:
    log.info("linger_began")
    await asyncio.sleep(job.seconds)
    log.info("linger_ended")


async def block(_job: Block, _resources: Resources) -> None:
    log.info("block_began")
    await asyncio.to_thread(time.sleep, 60)


async def dawdle(_job: Dawdle, _resources: Resources) -> None:
    await asyncio.sleep(30)


async def kill_worker(_job: KillWorker, _resources: Resources) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def tick(_job: Tick, resources: Resources) -> None:
    async with resources.database.transaction() as session:
        await session.execute(text("INSERT INTO effects (task) VALUES (0)"))


@contextmanager
def tasks_table(url: str, *, count: int = 0) -> Iterator[None]:
    """Tasks to be done, and the effects of having done them."""
    execute(
        url,
        "CREATE TABLE tasks (id int PRIMARY KEY, done bool NOT NULL DEFAULT false)",
        f"INSERT INTO tasks SELECT generate_series(1, {count})",
        "CREATE TABLE effects (task int NOT NULL, at timestamptz NOT NULL DEFAULT now())",
    )
    try:
        yield
    finally:
        execute(url, "DROP TABLE tasks, effects")


async def enqueue_all(url: str, *jobs: Job, run_at: datetime | None = None) -> list[int]:
    """In one transaction."""
    database = open_database(options_for(url), pool_size=1, wait_seconds=5)
    try:
        async with database.transaction() as session:
            return [await JobQueue(session).enqueue(job, run_at=run_at) for job in jobs]
    finally:
        await database.close()


def enqueue(url: str, *jobs: Job, run_at: datetime | None = None) -> list[int]:
    return asyncio.run(enqueue_all(url, *jobs, run_at=run_at))


def select(url: str, query: str) -> list[Any]:
    """The first column of every row."""
    return asyncio.run(fetch(url, query))


def statuses(url: str) -> list[Any]:
    """Of every job, in the order of their ids."""
    return select(url, "SELECT status::text FROM procrastinate_jobs ORDER BY id")


def job_status(url: str, job: int) -> str:
    return str(select(url, f"SELECT status FROM procrastinate_jobs WHERE id = {job}")[0])  # noqa: S608 - an integer
