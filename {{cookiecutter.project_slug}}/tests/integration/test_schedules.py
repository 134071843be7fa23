"""Scheduled jobs: enqueued once for all workers together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.assembly.jobs import SCHEDULES
from tests.support import jobs
from tests.support.commands import for_production
from tests.support.databases import Databases
from tests.support.jobs import select
from tests.support.waiting import wait_until
from tests.support.working_app import BUSY, working

TICKS = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'test.tick'"

# The second that each job of the schedule is for.
DUE = "SELECT (args ->> 'due')::bigint FROM procrastinate_jobs WHERE task_name = 'test.tick' ORDER BY 1"


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.migrated() as url, jobs.tasks_table(url):
        yield url


def test_two_workers_enqueue_a_scheduled_job_once(url: str, tmp_path: Path) -> None:
    variables = {**for_production(url), "TICKING": "1"}

    with (
        working(folder=tmp_path, module=BUSY, **variables) as first,
        working(folder=tmp_path, module=BUSY, **variables) as second,
    ):
        wait_until(lambda: first.is_ready() and second.is_ready(), what="both workers to be ready")
        before = select(url, TICKS)[0]
        wait_until(lambda: select(url, TICKS)[0] >= before + 4, what="four seconds of the schedule")

    due = select(url, DUE)
    assert len(due) == len(set(due))
    assert due == list(range(due[0], due[-1] + 1)), "no second is left out"


def test_the_platform_has_a_schedule_of_its_own() -> None:
    assert "jobs.prune" in {schedule.job.name for schedule in SCHEDULES}
