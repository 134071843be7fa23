"""`app jobs`: what operators see of the queue, and what they can do."""

import json
from collections.abc import Sequence
from typing import get_args

import pytest
from typer.testing import CliRunner

from app import cli
from app.cli.jobs import StatusName
from app.jobs.operations import Status
from tests.support.commands import STRONG_KEY
from tests.support.databases import execute
from tests.support.jobs import Fail, Mark, Tick, enqueue, job_status, select

UNKNOWN_ID = "99999999999"


def invoke(url: str, *arguments: str) -> str:
    """What `app jobs` prints; fails unless it succeeds."""
    variables = {"DATABASE_URL": url, "SECRET_KEY": STRONG_KEY}
    result = CliRunner().invoke(cli.commands, ["jobs", *arguments], env=variables, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(
    url: str, *arguments: str, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """Its exit code, and what it says on stderr."""
    patch.setenv("DATABASE_URL", url)
    patch.setenv("SECRET_KEY", STRONG_KEY)
    patch.setattr("sys.argv", ["app", "jobs", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


def failed(url: str, job_ids: Sequence[int]) -> None:
    """As if they had been tried in vain."""
    listed = ", ".join(map(str, job_ids))
    for status in ("doing", "failed"):
        execute(url, f"UPDATE procrastinate_jobs SET status = '{status}', attempts = 3 WHERE id IN ({listed})")  # noqa: S608 - integers


def test_list_shows_the_newest_first_and_what_was_asked_for(database_url: str) -> None:
    first, second, third = enqueue(database_url, Mark(task=7), Fail(), Tick())
    failed(database_url, [second])

    everything = json.loads(invoke(database_url, "list", "--json"))
    by_status = json.loads(invoke(database_url, "list", "--json", "--status", "failed"))
    by_name = json.loads(invoke(database_url, "list", "--json", "--name", "test.mark"))
    limited = json.loads(invoke(database_url, "list", "--json", "--limit", "1"))
    table = invoke(database_url, "list", "--status", "waiting")

    assert [job["id"] for job in everything] == [third, second, first]
    assert [(job["id"], job["status"], job["attempts"]) for job in by_status] == [(second, "failed", 3)]
    assert [(job["id"], job["fields"]["task"]) for job in by_name] == [(first, 7)]
    assert [job["id"] for job in limited] == [third]
    assert "test.tick" in table
    assert "test.fail" not in table


def test_the_list_can_be_asked_for_every_status() -> None:
    assert get_args(StatusName) == tuple(Status)


def test_the_list_says_where_the_reason_of_a_failure_stands() -> None:
    said = " ".join(invoke("postgresql://app@/app?host=/nowhere", "list", "--help").split())

    assert "the line `job_failed` with this `job_id`" in said


def test_names_and_times_are_not_cut_however_narrow_the_terminal(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job_id] = enqueue(database_url, Tick())
    enqueued = json.loads(invoke(database_url, "list", "--json"))[0]["enqueued_at"]
    monkeypatch.setenv("COLUMNS", "20")

    listed = invoke(database_url, "list").splitlines()[1]
    counted = invoke(database_url, "stats").splitlines()

    assert listed.split()[:4] == [str(job_id), "test.tick", "waiting", "0"]
    assert enqueued.partition(".")[0] in listed
    assert counted[0].split() == ["name", *Status]
    assert counted[1].split() == ["test.tick", "1", "0", "0", "0", "0", "0"]


def test_retry_lets_a_failed_job_run_again_with_all_its_attempts(database_url: str) -> None:
    [job_id] = enqueue(database_url, Fail())
    failed(database_url, [job_id])

    said = invoke(database_url, "retry", str(job_id))

    assert said == f"Job {job_id} will be run again.\n"
    assert select(database_url, "SELECT status || ' ' || attempts FROM procrastinate_jobs") == ["todo 0"]


def test_all_failed_jobs_of_a_name_are_retried(database_url: str) -> None:
    one, two, other, waiting = enqueue(database_url, Fail(), Fail(), Tick(), Fail())
    failed(database_url, [one, two, other])

    of_name = invoke(database_url, "retry", "--all-failed", "--name", "test.fail")
    rest = invoke(database_url, "retry", "--all-failed")

    assert (of_name, rest) == ("2 job(s) will be run again.\n", "1 job(s) will be run again.\n")
    assert {job_status(database_url, job_id) for job_id in (one, two, other, waiting)} == {"todo"}


def later(url: str, job_id: int, *, attempts: int) -> None:
    """As if it had been tried so often in vain, and will be again in an hour."""
    changes = f"attempts = {attempts}, scheduled_at = now() + interval '1 hour'"
    execute(url, f"UPDATE procrastinate_jobs SET {changes} WHERE id = {job_id}")  # noqa: S608 - integers


def test_jobs_that_wait_for_their_next_attempt_are_hurried_and_those_that_wait_for_their_time_are_not(
    database_url: str,
) -> None:
    first, second, timed, dead = enqueue(database_url, Fail(), Fail(), Tick(), Fail())
    failed(database_url, [dead])
    for job_id, attempts in ((first, 2), (second, 9), (timed, 0)):
        later(database_url, job_id, attempts=attempts)

    one = invoke(database_url, "retry", str(first))
    others = invoke(database_url, "retry", "--all-retrying")

    assert (one, others) == (f"Job {first} will be run again.\n", "1 job(s) will be run again.\n")
    assert select(
        database_url, "SELECT id FROM procrastinate_jobs WHERE scheduled_at IS NULL AND attempts = 0 ORDER BY id"
    ) == [
        first,
        second,
    ]
    assert [job_status(database_url, job_id) for job_id in (timed, dead)] == ["todo", "failed"]


def test_cancel_ends_what_waits_or_failed_and_asks_what_runs(database_url: str) -> None:
    waiting, dead, running = enqueue(database_url, Mark(task=1), Fail(), Mark(task=2))
    failed(database_url, [dead])
    execute(database_url, f"UPDATE procrastinate_jobs SET status = 'doing' WHERE id = {running}")  # noqa: S608 - an integer

    said = [invoke(database_url, "cancel", str(job_id)) for job_id in (waiting, dead, running)]

    assert said == [
        f"Job {waiting} is cancelled.\n",
        f"Job {dead} is cancelled.\n",
        f"Job {running} is running; its worker has been asked to abort it.\n",
    ]
    assert [job_status(database_url, job_id) for job_id in (waiting, dead)] == ["cancelled", "cancelled"]
    assert select(database_url, "SELECT id FROM procrastinate_jobs WHERE abort_requested AND status = 'doing'") == [
        running
    ]
    # Pruning finds them by this event.
    assert select(database_url, "SELECT job_id FROM procrastinate_events WHERE type = 'cancelled' ORDER BY 1") == [
        waiting,
        dead,
    ]


def test_stats_count_by_name_and_status(database_url: str) -> None:
    ids = enqueue(database_url, Fail(), Fail(), Tick())
    failed(database_url, ids[:1])

    counted = json.loads(invoke(database_url, "stats", "--json"))
    table = invoke(database_url, "stats")

    assert counted == {"test.fail": {"failed": 1, "waiting": 1}, "test.tick": {"waiting": 1}}
    assert "test.tick" in table


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_an_unknown_job_is_a_sentence_and_code_1(
    database_url: str, action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refusal(database_url, action, UNKNOWN_ID, patch=monkeypatch, capsys=capsys)

    assert code == 1
    assert said == f"There is no job {UNKNOWN_ID}: it was never enqueued, or it is finished and forgotten.\n"


def test_a_job_that_waits_for_its_first_attempt_cannot_be_retried(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [job_id] = enqueue(database_url, Tick())

    code, said = refusal(database_url, "retry", str(job_id), patch=monkeypatch, capsys=capsys)

    assert code == 1
    assert said == f"Job {job_id} is waiting; only what failed, or waits for its next attempt, can be retried.\n"


@pytest.mark.parametrize("arguments", [[], ["1", "--all-failed"], ["1", "--all-retrying"], ["1", "--name", "x"]])
def test_retry_wants_either_one_job_or_all(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refusal("postgresql://app@/app?host=/nowhere", "retry", *arguments, patch=monkeypatch, capsys=capsys)

    assert code == 2
    assert "--all-failed" in said


def test_a_database_that_is_gone_is_a_sentence_and_code_69(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refusal("postgresql://app@/app?host=/nowhere", "list", patch=monkeypatch, capsys=capsys)

    assert code == 69
    assert said.startswith("The database cannot be reached at DATABASE_URL (")


def test_a_database_without_a_schema_is_a_sentence_and_code_1(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refusal(empty_database_url, "stats", patch=monkeypatch, capsys=capsys)

    assert code == 1
    assert "run `app migrate`" in said
