"""`app worker` on its way out, and what others make of those that did not get that far."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.commands import for_production
from tests.support.databases import Databases
from tests.support.jobs import enqueue, job_status, select
from tests.support.metrics import read
from tests.support.waiting import wait_until
from tests.support.working_app import BUSY, WorkingApp, launched, working


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.migrated() as url, jobs.tasks_table(url, count=10):
        yield url


def begin(worker: WorkingApp, url: str, *, seconds: float) -> int:
    """The id of a job that has begun, takes that long and may be tried once."""
    [job_id] = enqueue(url, jobs.LingerOnce(seconds=seconds))
    worker.wait_for_event("linger_began")
    return job_id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_runs_is_finished_before_it_ends_and_nothing_more_is_fetched(
    number: signal.Signals, heard_hang_up: None, url: str, tmp_path: Path
) -> None:
    with working(folder=tmp_path, module=BUSY, **for_production(url)) as worker:
        wait_until(worker.is_ready, what="the worker to be ready")
        running = begin(worker, url, seconds=2)
        worker.signal(number)
        worker.wait_for_event("draining")
        [late] = enqueue(url, jobs.Mark(task=1))
        exit_code = worker.wait_for_end()

    assert exit_code == 0
    assert (job_status(url, running), job_status(url, late)) == ("succeeded", "todo")
    assert [line for line in worker.lines if not line.startswith("{")] == []
    assert select(url, "SELECT count(*) FROM procrastinate_workers") == [0]


def test_while_it_stops_it_is_not_ready_but_lives(url: str, tmp_path: Path) -> None:
    with working(folder=tmp_path, module=BUSY, **for_production(url)) as worker:
        begin(worker, url, seconds=2)
        worker.signal()
        worker.wait_for_event("draining")
        ready = worker.management.get("/health/ready")
        live = worker.management.get("/health/live")

    assert (ready.status_code, ready.json()["status"], live.status_code) == (503, "draining", 200)


def test_what_outlasts_the_grace_is_given_back_and_not_counted(url: str, tmp_path: Path) -> None:
    variables = {**for_production(url), "SHUTDOWN_GRACE_SECONDS": "0.5"}
    with working(folder=tmp_path, module=BUSY, **variables) as worker:
        running = begin(worker, url, seconds=60)
        worker.signal()
        exit_code = worker.wait_for_end()

    assert exit_code == 0
    assert job_status(url, running) == "todo"
    assert select(url, "SELECT attempts FROM procrastinate_jobs") == [0]
    assert [line["job_id"] for line in worker.named("job_given_back")] == [running]


def test_a_second_signal_does_not_wait_for_the_grace(url: str, tmp_path: Path) -> None:
    variables = {**for_production(url), "SHUTDOWN_GRACE_SECONDS": "60"}
    with working(folder=tmp_path, module=BUSY, **variables) as worker:
        running = begin(worker, url, seconds=60)
        worker.signal()
        worker.wait_for_event("draining")
        worker.signal(signal.SIGINT)
        exit_code = worker.wait_for_end()

    assert exit_code == 0
    assert job_status(url, running) == "todo"


def test_a_thread_that_cannot_be_interrupted_does_not_keep_it(url: str, tmp_path: Path) -> None:
    variables = {**for_production(url), "SHUTDOWN_GRACE_SECONDS": "0.5"}
    with working(folder=tmp_path, module=BUSY, **variables) as worker:
        [blocking] = enqueue(url, jobs.Block())
        worker.wait_for_event("block_began")
        worker.signal()
        exit_code = worker.wait_for_end()

    assert exit_code == 1
    assert job_status(url, blocking) == "todo"
    assert worker.named("threads_left_behind")


def test_the_jobs_of_a_worker_that_died_are_done_by_another(url: str, tmp_path: Path) -> None:
    variables = {**for_production(url), "JOBS_STALLED_SECONDS": "1"}
    with working(folder=tmp_path, module=BUSY, **variables) as first:
        [lost] = enqueue(url, jobs.Linger(seconds=1))
        first.wait_for_event("linger_began")
        first.kill()
    with working(folder=tmp_path, module=BUSY, **variables) as second:
        rescued = second.wait_for_event("job_rescued", within_seconds=20)
        done = second.wait_for_event("job_succeeded")
        metrics = read(second.management.get("/metrics").text)

    assert rescued["job_id"] == done["job_id"] == lost
    assert done["attempt"] == 2
    assert metrics.value("jobs_rescued_total") == 1
    assert select(url, "SELECT count(*) FROM procrastinate_workers") == [0]


def test_a_job_that_kills_its_workers_is_given_up(url: str, tmp_path: Path) -> None:
    variables = {**for_production(url), "JOBS_STALLED_SECONDS": "1"}
    [deadly] = enqueue(url, jobs.KillWorker())
    for _ in range(jobs.KillWorker.max_attempts):
        with launched(folder=tmp_path, module=BUSY, **variables) as victim:
            assert victim.wait_for_end() == -signal.SIGKILL
    with working(folder=tmp_path, module=BUSY, **variables) as last:
        failed = last.wait_for_event("job_failed")

    assert failed["job_id"] == deadly
    assert "Its worker was lost" in str(failed["exception"])
    assert job_status(url, deadly) == "failed"
