"""What operators do with the queue."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.core.errors import Conflict, NotFound
from app.jobs.envelope import carried_by
from app.jobs.sql import sql
from app.persistence.database import Database


class Status(StrEnum):
    """Where a job is on its way. `failed` is the dead letter: it waits for an operator."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


# Where procrastinate's words differ from ours.
STORED = {Status.WAITING: "todo", Status.RUNNING: "doing"}
SHOWN = {stored: status for status, stored in STORED.items()}

LIST = sql("""
    SELECT job.id, task_name AS name, queue_name AS queue, status::text, attempts, scheduled_at, args::text AS payload,
        (SELECT min(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'deferred') AS enqueued_at
    FROM procrastinate_jobs AS job
    WHERE (CAST(:status AS text) IS NULL OR status = CAST(CAST(:status AS text) AS procrastinate_job_status))
        AND (CAST(:name AS text) IS NULL OR task_name = :name)
    ORDER BY job.id DESC LIMIT :limit
""")

STATUS = sql("SELECT status::text FROM procrastinate_jobs WHERE id = :job")

RETRY = sql("""
    UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL
    WHERE id IN (
        SELECT id FROM procrastinate_jobs
        WHERE (
            (status = 'failed' AND :failed) OR (status = 'todo' AND attempts > 0 AND scheduled_at > now() AND :retrying)
        )
            AND (CAST(:job AS bigint) IS NULL OR id = :job)
            AND (CAST(:name AS text) IS NULL OR task_name = :name)
        LIMIT :batch FOR UPDATE
    )
    RETURNING id
""")

# One transaction's worth: short enough for the statement's time limit.
BATCH = 1000

CANCEL = sql("SELECT procrastinate_cancel_job_v1(:job, true, false)")

# The library cancels only what waits. Pruning finds jobs by their events, and its triggers write none here.
CANCEL_FAILED = sql("""
    WITH cancelled AS (
        UPDATE procrastinate_jobs SET status = 'cancelled' WHERE id = :job AND status = 'failed' RETURNING id
    )
    INSERT INTO procrastinate_events (job_id, type) SELECT id, 'cancelled' FROM cancelled RETURNING job_id
""")

STATS = sql("SELECT task_name AS name, status::text, count(*) FROM procrastinate_jobs GROUP BY 1, 2 ORDER BY 1, 2")


@dataclass(frozen=True)
class JobView:
    """A job as operators see it. Its fields are ids and small values by rule; the request's context goes with them."""

    id: int
    name: str
    queue: str
    status: Status
    attempts: int
    enqueued_at: datetime | None
    scheduled_at: datetime | None
    fields: dict[str, Any]
    context: dict[str, str]


class Operations:
    """Looks at jobs and moves them. Raises what `Database.transaction` raises."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def rows(self, statement: Any, **values: Any) -> Sequence[Any]:  # Any: statements and rows of any shape
        async with self.database.transaction() as session:
            return (await session.execute(statement, values)).all()

    async def list(self, *, status: Status | None, name: str | None, limit: int) -> list[JobView]:
        """The newest first."""
        stored = None if status is None else STORED.get(status, status.value)
        return [view(row) for row in await self.rows(LIST, status=stored, name=name, limit=limit)]

    async def retry(self, job: int) -> None:
        """Let one that failed run again now, with all its attempts, be it given up or waiting for its next attempt.

        Raises `NotFound` and `Conflict`.
        """
        if not await self.rows(RETRY, job=job, name=None, failed=True, retrying=True, batch=1):
            status = await self.status(job)
            raise Conflict(f"Job {job} is {status}; only what failed, or waits for its next attempt, can be retried.")

    async def retry_all(self, *, failed: bool, retrying: bool, name: str | None) -> int:
        """The same for all that were given up, all that wait for their next attempt, or both; or those of a name.

        In batches; says how many there were.
        """
        count, batch = 0, BATCH
        while batch == BATCH:
            values = {"failed": failed, "retrying": retrying, "name": name}
            batch = len(await self.rows(RETRY, job=None, batch=BATCH, **values))
            count += batch
        return count

    async def cancel(self, job: int) -> Status:
        """What it was before: a waiting or failed one is cancelled at once, a running one is asked to end.

        Raises `NotFound` and `Conflict`.
        """
        before = await self.status(job)
        if before not in {Status.WAITING, Status.RUNNING, Status.FAILED}:
            raise Conflict(f"Job {job} is {before} already; there is nothing to cancel.")
        moved = await self.rows(CANCEL_FAILED if before is Status.FAILED else CANCEL, job=job)
        if not any(row[0] for row in moved):
            raise Conflict(f"Job {job} has just changed: look at it again.")
        return before

    async def status(self, job: int) -> Status:
        """Raises `NotFound`."""
        found = await self.rows(STATUS, job=job)
        if not found:
            raise NotFound(f"There is no job {job}: it was never enqueued, or it is finished and forgotten.")
        return shown(found[0].status)

    async def stats(self) -> dict[str, dict[Status, int]]:
        """How many jobs of each name are in each status."""
        found: dict[str, dict[Status, int]] = {}
        for row in await self.rows(STATS):
            found.setdefault(row.name, {})[shown(row.status)] = row.count
        return found


def shown(stored: str) -> Status:
    return SHOWN.get(stored) or Status(stored)


def view(row: Any) -> JobView:  # Any: a row has no static type
    payload = json.loads(row.payload)
    return JobView(
        id=row.id,
        name=row.name,
        queue=row.queue,
        status=shown(row.status),
        attempts=row.attempts,
        enqueued_at=row.enqueued_at,
        scheduled_at=row.scheduled_at,
        fields=payload.get("job", {}) if isinstance(payload, dict) else {},
        context=carried_by(row.payload),
    )
