"""Forgets finished jobs in time, so that the queue stays small."""

from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.job import Job
from app.jobs.sql import sql
from app.persistence.deleting import HasDatabase, delete_in_batches

log = structlog.get_logger()

# A job's status and its last event agree; those that failed stay until an operator has dealt with them.
PRUNE = sql("""
    DELETE FROM procrastinate_jobs WHERE id IN (
        SELECT job.id FROM procrastinate_events event JOIN procrastinate_jobs job ON job.id = event.job_id
        WHERE event.type IN ('succeeded', 'cancelled', 'aborted') AND event.at < now() - make_interval(days => :days)
        AND job.status IN ('succeeded', 'cancelled', 'aborted')
        ORDER BY event.id LIMIT :batch
    )
    RETURNING id
""")


class PruneJobs(Job):
    """Forget jobs that ended well, or were cancelled, more than JOBS_KEEP_DAYS ago."""

    name = "jobs.prune"
    time_limit_seconds = 600.0


class KeepsJobs(HasDatabase, Protocol):
    """What pruning needs to be handed."""

    @property
    def keep_jobs_days(self) -> int: ...


async def prune_jobs(_job: PruneJobs, resources: KeepsJobs) -> None:
    async def forget_some(session: AsyncSession, limit: int) -> int:
        found = await session.execute(PRUNE, {"days": resources.keep_jobs_days, "batch": limit})
        return len(found.all())

    log.info("jobs_pruned", count=await delete_in_batches(resources.database, forget_some))
