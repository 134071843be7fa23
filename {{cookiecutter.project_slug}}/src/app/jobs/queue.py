"""Enqueues jobs together with the data that they are about."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.envelope import QUEUE, pack
from app.jobs.job import Job
from app.jobs.sql import sql

# The library's own Python interface takes only psycopg connections, so this is its SQL interface. The triggers of the
# same schema wake the workers when the transaction commits.
ENQUEUE = sql("""
    SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[
        ROW(CAST(:queue AS text), CAST(:name AS text), 0, NULL, NULL,
            CAST(CAST(:payload AS text) AS jsonb), CAST(:run_at AS timestamptz))
    ]::procrastinate_job_to_defer_v1[]))
""")


class JobQueue:
    """Puts jobs into the session's own transaction: they exist if the data do, and not before."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def enqueue(self, job: Job, *, run_at: datetime | None = None) -> int:
        """The id of the job, which runs as soon as the transaction has committed, or at `run_at` (with a time zone).

        At least once: a worker that dies after the work and before it could say so runs it again.
        """
        found = await self.session.execute(ENQUEUE, parameters(job, run_at=run_at))
        return int(found.scalar_one())


def parameters(job: Job, *, run_at: datetime | None = None) -> dict[str, object]:
    """What the statement wants to know."""
    return {"queue": QUEUE, "name": job.name, "payload": pack(job), "run_at": run_at}
