"""The worker's database dies or hangs, and the worker goes on as soon as it is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.commands import for_production
from tests.support.databases import Databases
from tests.support.jobs import enqueue, job_status
from tests.support.outages import BreakablePostgres
from tests.support.waiting import wait_until
from tests.support.working_app import BUSY, WorkingApp, working


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakablePostgres]:
    with BreakablePostgres(tmp_path_factory.mktemp("outage") / "postgres", fast=True) as server:
        yield server


@pytest.fixture(scope="module")
def url(postgres: BreakablePostgres) -> Iterator[str]:
    with Databases(postgres.url).migrated() as url, jobs.tasks_table(url, count=10):
        yield url


@pytest.fixture
def worker(url: str, tmp_path: Path) -> Iterator[WorkingApp]:
    with working(folder=tmp_path, module=BUSY, **for_production(url), JOBS_STALLED_SECONDS="2") as running:
        wait_until(running.is_ready, what="the worker to be ready")
        yield running


def succeeds(url: str, job_id: int) -> None:
    wait_until(lambda: job_status(url, job_id) == "succeeded", what=f"the end of job {job_id}")


def is_not_ready(worker: WorkingApp) -> bool:
    return not worker.is_ready()


def test_it_goes_on_after_a_restart_of_the_database(worker: WorkingApp, postgres: BreakablePostgres, url: str) -> None:
    [running] = enqueue(url, jobs.Linger(seconds=1))
    worker.wait_for_event("linger_began")

    postgres.kill()
    wait_until(lambda: is_not_ready(worker), what="the worker to be not ready")
    worker.wait_for_event("linger_ended")
    postgres.revive()
    wait_until(worker.is_ready, what="the worker to be ready again")
    [after] = enqueue(url, jobs.Mark(task=1))

    succeeds(url, after)
    succeeds(url, running)
    hindered = [line["part"] for line in worker.named("worker_hindered")]
    assert "fetching" in hindered
    assert len(hindered) == len(set(hindered)), "each part tells its trouble once"
    assert [line for line in worker.named("linger_began") if line["job_id"] == running] == worker.named("linger_began")
    assert len(worker.named("linger_began")) == 1, "what is done is written down as soon as possible, not done again"


def test_it_goes_on_after_the_database_hung(worker: WorkingApp, postgres: BreakablePostgres, url: str) -> None:
    postgres.freeze()
    try:
        wait_until(lambda: is_not_ready(worker), what="the worker to be not ready")
    finally:
        postgres.thaw()
    wait_until(worker.is_ready, what="the worker to be ready again")
    [after] = enqueue(url, jobs.Mark(task=2))

    succeeds(url, after)


@pytest.mark.parametrize("is_frozen", [False, True], ids=["gone", "hanging"])
def test_it_stops_without_its_database(worker: WorkingApp, postgres: BreakablePostgres, *, is_frozen: bool) -> None:
    if is_frozen:
        postgres.freeze()
    else:
        postgres.kill()
    try:
        wait_until(lambda: is_not_ready(worker), what="the worker to be not ready")
        worker.signal()
        exit_code = worker.wait_for_end()
    finally:
        if is_frozen:
            postgres.thaw()
        else:
            postgres.revive()

    assert exit_code == 0
    assert len(worker.named("worker_left_silently")) == 1
    assert [line for line in worker.lines if not line.startswith("{")] == []


def test_before_its_migration_it_says_once_what_to_do(empty_database_url: str, tmp_path: Path) -> None:
    with working(folder=tmp_path, module=BUSY, **for_production(empty_database_url)) as worker:
        wait_until(lambda: len(worker.named("worker_hindered")) >= 3, what="the trouble of three of its parts")
        told = [line["advice"].partition(".")[0] for line in worker.named("schema_missing")]

    assert told == ["Run `app migrate`"]
    assert [line for line in worker.lines if "SQL" in line] == []


def test_it_starts_without_its_database_and_is_not_ready(tmp_path: Path) -> None:
    with working(folder=tmp_path, module=BUSY, **for_production("postgresql://app@/app?host=/nowhere")) as worker:
        ready = worker.management.get("/health/ready")
        started = worker.management.get("/health/startup")
        worker.signal()
        exit_code = worker.wait_for_end()

    assert (ready.status_code, started.status_code, exit_code) == (503, 503, 0)
    assert ready.json()["components"]["worker"]["error"] == "The worker is not fetching jobs."
