"""`app jobs`: a look at the queue, and a hand in it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer
from rich.console import Console

from app.cli.options import AsJson, printable
from app.cli.tables import print_table
from app.core.errors import NotFound

if TYPE_CHECKING:
    from app.jobs.operations import JobView, Operations

T = TypeVar("T")

# The values of `Status`, spelled out: loading it takes longer than printing the help.
StatusName = Literal["waiting", "running", "succeeded", "failed", "cancelled", "aborted"]

commands = typer.Typer(help="List, retry and cancel jobs.", no_args_is_help=True)

# What PostgreSQL counts in 64 bits.
LARGEST_ID = 2**63 - 1

JobId = Annotated[int, typer.Argument(min=1, max=LARGEST_ID, help="As `app jobs list` and the log show it.")]
OfName = Annotated[str | None, typer.Option("--name", parser=printable, metavar="TEXT", help="Only jobs of this name.")]


def operate(action: "Callable[[Operations], Awaitable[T]]") -> T:
    """Connect, do it, disconnect. Raises what `with_database` raises."""
    from app.cli.database import with_database
    from app.jobs.operations import Operations

    return with_database(lambda database: action(Operations(database)))


@commands.command("list")
def list_jobs(
    *,
    status: Annotated[StatusName | None, typer.Option(help="Only jobs in this status.")] = None,
    name: OfName = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first. As JSON, with their fields, which are ids by rule.

    Why a job failed stands in the worker's log: the line `job_failed` with this `job_id`.
    """
    from app.jobs.operations import Status

    wanted = Status(status) if status else None
    found = operate(lambda queue: queue.list(status=wanted, name=name, limit=limit))
    if as_json:
        print(json.dumps([asdict(job) for job in found], indent=2, default=str))  # noqa: T201 - the command's output
        return
    print_table(["id", "name", "status", "attempts", "enqueued", "not before"], map(cells, found))


def cells(job: "JobView") -> tuple[str, ...]:
    times = [moment.isoformat(" ", "seconds") if moment else "" for moment in (job.enqueued_at, job.scheduled_at)]
    return (str(job.id), job.name, job.status.value, str(job.attempts), *times)


@commands.command()
def retry(
    job_id: Annotated[
        int | None,
        typer.Argument(min=1, max=LARGEST_ID, help="One that failed; or use --all-failed, --all-retrying."),
    ] = None,
    *,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="Every job that was given up.")] = False,
    all_retrying: Annotated[
        bool, typer.Option("--all-retrying", help="Every job that failed and waits for its next attempt.")
    ] = False,
    name: OfName = None,
) -> None:
    """Let jobs that failed run again now, with all their attempts."""
    is_all = all_failed or all_retrying
    if (job_id is None) != is_all or (name and not is_all):
        wanted = "give either the id of one job, or --all-failed, --all-retrying or both (and --name, if you like)"
        raise typer.BadParameter(wanted)
    if job_id is None:
        count = operate(lambda queue: queue.retry_all(failed=all_failed, retrying=all_retrying, name=name))
        if not count:
            raise NotFound("There is no such job to retry.")
        say(f"{count} job(s) will be run again.")
    else:
        operate(lambda queue: queue.retry(job_id))
        say(f"Job {job_id} will be run again.")


@commands.command()
def cancel(job_id: JobId) -> None:
    """Cancel a waiting or failed job; ask a running one to end."""
    from app.jobs.operations import Status

    before = operate(lambda queue: queue.cancel(job_id))
    if before is Status.RUNNING:
        say(f"Job {job_id} is running; its worker has been asked to abort it.")
    else:
        say(f"Job {job_id} is cancelled.")


@commands.command()
def stats(*, as_json: AsJson = False) -> None:
    """Count jobs by name and status.

    Those that wait are due, or wait for their time or for their next attempt: `app jobs list` says until when.
    """
    from app.jobs.operations import Status

    found = operate(lambda queue: queue.stats())
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - the command's output
        return
    rows = [[name, *(str(counts.get(status, 0)) for status in Status)] for name, counts in found.items()]
    print_table(["name", *Status], rows)


def say(sentence: str) -> None:
    Console(markup=False, soft_wrap=True, highlight=False).print(sentence)
