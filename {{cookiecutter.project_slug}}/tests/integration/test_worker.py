"""`app worker` as a process: what it does with jobs that work, fail, hang and are unknown."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.jobs.job import Job
from app.jobs.pruning import PruneJobs
from app.observability.context import begin_request, bind_caller, forget_context
from tests.support import jobs
from tests.support.commands import for_production
from tests.support.databases import Databases, execute
from tests.support.jobs import enqueue, select
from tests.support.metrics import Scrape, read
from tests.support.sentry_receiver import sentry_receiver
from tests.support.waiting import wait_until
from tests.support.working_app import BUSY, WorkingApp, working


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    with databases.migrated() as url, jobs.tasks_table(url, count=10):
        yield url


@pytest.fixture(scope="module")
def worker(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingApp]:
    """One for the whole module; each test tells its jobs by their ids."""
    folder = tmp_path_factory.mktemp("worker")
    with working(folder=folder, module=BUSY, **for_production(url)) as running:
        wait_until(running.is_ready, what="the worker to be ready")
        yield running


def end_of(url: str, job: Job) -> tuple[int, str]:
    """The id of a job that is enqueued now, and how it ends."""
    [job_id] = enqueue(url, job)
    wait_until(lambda: jobs.job_status(url, job_id) not in {"todo", "doing"}, what=f"the end of {job.name}")
    return job_id, jobs.job_status(url, job_id)


def lines_of(worker: WorkingApp, job_id: int) -> list[dict[str, object]]:
    return [line for line in worker.events if line.get("job_id") == job_id]


def failures_of(worker: WorkingApp, job_id: int) -> list[dict[str, object]]:
    return [line for line in lines_of(worker, job_id) if "exception" in line]


def succeeded(worker: WorkingApp) -> set[object]:
    return {line.get("job_id") for line in worker.named("job_succeeded")}


def test_a_job_is_done_soon_after_it_is_enqueued(worker: WorkingApp, url: str) -> None:
    job_id, status = end_of(url, jobs.Mark(task=1))

    wait_until(lambda: bool(lines_of(worker, job_id)), what="its log line")
    assert status == "succeeded"
    assert select(url, "SELECT count(*) FROM effects WHERE task = 1") == [1]
    assert [line["event"] for line in lines_of(worker, job_id)] == ["job_succeeded"]


def test_a_worker_is_told_of_a_job_and_need_not_look_for_it(databases: Databases, tmp_path: Path) -> None:
    with (
        databases.migrated() as url,
        jobs.tasks_table(url, count=1),
        working(folder=tmp_path, module=BUSY, **for_production(url), POLL_SECONDS="600") as running,
    ):
        wait_until(running.is_ready, what="the worker to be ready")
        [job_id] = enqueue(url, jobs.Mark(task=1))
        wait_until(lambda: jobs.job_status(url, job_id) == "succeeded", within_seconds=20, what="its end")


def test_every_line_of_a_job_names_it_and_the_request_that_asked_for_it(worker: WorkingApp, url: str) -> None:
    begin_request(request_id="request-0007", trace_id="trace-0007")
    bind_caller(user="user-7", tenant="tenant-7")
    job_id, _ = end_of(url, jobs.Linger(seconds=0))
    forget_context()
    next_id, _ = end_of(url, jobs.Mark(task=3))

    wait_until(lambda: {job_id, next_id} <= succeeded(worker), within_seconds=20, what="the lines of both")
    asked = {"request_id": "request-0007", "trace_id": "trace-0007", "user": "user-7", "tenant": "tenant-7"}
    about = {"job_id": job_id, "job": "test.linger", "attempt": 1}
    ours = [line for line in worker.events if line.get("request_id") == "request-0007"]
    assert [line["event"] for line in ours] == ["linger_began", "linger_ended", "job_succeeded"]
    assert all(line.items() >= {**asked, **about}.items() for line in ours)


def test_finished_jobs_are_forgotten_in_time_and_failed_ones_kept(worker: WorkingApp, url: str) -> None:
    old, _ = end_of(url, jobs.Mark(task=4))
    failed, _ = end_of(url, jobs.Unlisted())
    execute(url, "UPDATE procrastinate_events SET at = now() - interval '8 days'")
    recent, _ = end_of(url, jobs.Mark(task=5))

    _, status = end_of(url, PruneJobs())

    left = select(url, "SELECT id FROM procrastinate_jobs")
    assert (status, old in left, failed in left, recent in left) == ("succeeded", False, True, True)


def test_jobs_are_measured_by_name_and_outcome(worker: WorkingApp, url: str) -> None:
    before = read(worker.management.get("/metrics").text)
    end_of(url, jobs.Recover(task=6))
    end_of(url, jobs.Unlisted())

    def after() -> Scrape:
        return read(worker.management.get("/metrics").text)

    def grown(name: str, **labels: str) -> float:
        return after().value(name, **labels) - before.value(name, **labels)

    def is_counted() -> bool:
        return grown("jobs_finished_total", job="unknown", outcome="failed") == 1

    wait_until(is_counted, within_seconds=20, what="the count")
    wait_until(lambda: after().value("jobs_failed") >= 1, within_seconds=20, what="the sample of the queue")
    assert grown("jobs_finished_total", job="test.recover", outcome="retried") == 1
    assert grown("jobs_finished_total", job="test.recover", outcome="succeeded") == 1
    assert grown("job_duration_seconds_count", job="test.recover") == 2
    assert after().value("jobs_running") == 0
    assert "test.unlisted" not in after().labels("jobs_finished_total", "job")


def test_jobs_that_wait_for_their_next_attempt_are_measured_and_those_that_wait_for_their_time_are_not(
    worker: WorkingApp, url: str
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    tried, _timed = jobs.enqueue(url, jobs.Tick(), jobs.Tick(), run_at=tomorrow)
    execute(url, f"UPDATE procrastinate_jobs SET attempts = 2 WHERE id = {tried}")  # noqa: S608 - an integer

    def measured() -> Scrape:
        return read(worker.management.get("/metrics").text)

    wait_until(lambda: measured().value("jobs_retrying") > 0, within_seconds=20, what="the sample of the queue")
    assert measured().value("jobs_retrying") == 1
    assert measured().value("jobs_waiting") == 0


def test_an_operator_can_end_a_running_job(worker: WorkingApp, url: str) -> None:
    [job_id] = enqueue(url, jobs.Linger(seconds=60))
    wait_until(lambda: bool(lines_of(worker, job_id)), what="the job to begin")

    execute(url, f"SELECT procrastinate_cancel_job_v1({job_id}, true, false)")
    wait_until(lambda: jobs.job_status(url, job_id) == "aborted", what="the end of the job")

    wait_until(lambda: len(lines_of(worker, job_id)) > 1, what="its log line")
    assert [line["event"] for line in lines_of(worker, job_id)] == ["linger_began", "job_aborted"]


def test_what_is_given_up_is_reported_once(url: str, tmp_path: Path, worker: WorkingApp) -> None:
    worker.signal(signal.SIGSTOP)  # another one does this
    try:
        with sentry_receiver() as sentry:
            with working(folder=tmp_path, module=BUSY, **for_production(url), SENTRY_DSN=sentry.dsn):
                job_id, _ = end_of(url, jobs.Fail())
            reports = [event for event in sentry.events if event["tags"].get("job_id") == job_id]
    finally:
        worker.signal(signal.SIGCONT)

    assert [report["exception"]["values"][-1]["value"] for report in reports] == ["it never works"]
    assert reports[0]["tags"]["attempt"] == jobs.Fail.max_attempts


def test_a_job_that_fails_is_tried_again(worker: WorkingApp, url: str) -> None:
    job_id, status = end_of(url, jobs.Recover(task=2))

    assert status == "succeeded"
    wait_until(lambda: len(lines_of(worker, job_id)) > 1, what="its log lines")
    assert [(line["event"], line["level"], line["attempt"]) for line in lines_of(worker, job_id)] == [
        ("job_will_be_retried", "warning", 1),
        ("job_succeeded", "info", 2),
    ]


def test_after_its_last_attempt_a_job_is_kept_as_failed_and_told_once(worker: WorkingApp, url: str) -> None:
    job_id, status = end_of(url, jobs.Fail())

    wait_until(lambda: len(lines_of(worker, job_id)) > 2, what="its log lines")
    levels = [line["level"] for line in lines_of(worker, job_id)]
    assert (status, levels) == ("failed", ["warning", "warning", "error"])
    assert "it never works" in str(lines_of(worker, job_id)[-1]["exception"])
    assert jobs.Fail().remark not in "\n".join(worker.lines)


@pytest.mark.parametrize(
    ("job", "reason"), [(jobs.Dawdle(), "time limit of 0.2 s"), (jobs.Unlisted(), "assembly/jobs.py")]
)
def test_a_job_that_cannot_be_done_fails_with_a_reason(worker: WorkingApp, url: str, job: Job, reason: str) -> None:
    job_id, status = end_of(url, job)

    assert status == "failed"
    wait_until(lambda: bool(failures_of(worker, job_id)), what="the line with its failure")
    assert reason in str(failures_of(worker, job_id)[-1]["exception"])
