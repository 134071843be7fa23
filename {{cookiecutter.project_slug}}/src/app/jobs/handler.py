"""Connects each kind of job with the function that does it, and with the clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.jobs.job import Job

J = TypeVar("J", bound=Job)
R = TypeVar("R")


@dataclass(frozen=True)
class Handler(Generic[J, R]):
    """Which function does which job. It is handed the job and whatever is open in the worker (`R`).

    The function may run twice for one job, so it looks first whether its work is done, and does it in one
    transaction. Whatever it raises counts as a failed attempt. A thread that it starts cannot be interrupted: after
    its time limit, or when the worker stops, it goes on while the job may run again elsewhere.
    """

    job: type[J]
    run: Callable[[J, R], Awaitable[None]]


@dataclass(frozen=True)
class Schedule:
    """A job that is enqueued whenever the cron expression says so, in UTC, once for all workers together.

    While no worker lives, nothing is enqueued. The last time that was missed is made up for if it is no more
    than ten minutes past when the first worker is back; earlier ones are skipped. So work such as "everything
    that is due", not such as "what the last hour brought".
    """

    cron: str
    job: Job
