"""Workers are killed in the middle of jobs, and every job's effect happens, once."""

import random
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.commands import for_production
from tests.support.databases import Databases
from tests.support.jobs import enqueue, select
from tests.support.waiting import wait_until
from tests.support.working_app import BUSY, launched, working

JOBS_PER_KILL = 40

UNFINISHED = "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'"


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [pytest.param(3), pytest.param(100, marks=pytest.mark.long)])
def test_kill_9_in_the_middle_of_jobs_loses_nothing(databases: Databases, tmp_path: Path, kills: int) -> None:
    count = kills * JOBS_PER_KILL
    with databases.migrated() as url, jobs.tasks_table(url, count=count):
        variables = {**for_production(url), "JOBS_STALLED_SECONDS": "1"}
        enqueue(url, *(jobs.Mark(task=task, milliseconds=20) for task in range(1, count + 1)))

        killed_in_the_middle = sum(kill_one(url, tmp_path, variables) for _ in range(kills))
        with working(folder=tmp_path, module=BUSY, **variables):
            wait_until(lambda: select(url, UNFINISHED) == [0], within_seconds=120, what="the end of all jobs")

        effects = select(url, "SELECT task FROM effects ORDER BY task")

    assert effects == list(range(1, count + 1))
    assert killed_in_the_middle > 0


def kill_one(url: str, folder: Path, variables: dict[str, str]) -> bool:
    """Start a worker, and kill it at some moment after its first few jobs; whether it had jobs in its hands."""
    before, moment = done(url), random.randint(1, JOBS_PER_KILL // 2)  # noqa: S311 - any moment will do
    with launched(folder=folder, module=BUSY, **variables) as victim:
        wait_until(lambda: done(url) >= before + moment, within_seconds=60, what="the moment to kill it")
        victim.kill()
    return bool(select(url, "SELECT 1 FROM procrastinate_jobs WHERE status = 'doing' LIMIT 1"))


def done(url: str) -> int:
    return int(select(url, "SELECT count(*) FROM effects")[0])
