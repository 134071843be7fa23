"""Forgets finished jobs in time, so that the queue stays small."""

from typing import Protocol

import structlog

from app.jobs.job import Job
from app.jobs.sql import sql
from app.persistence.database import Database

log = structlog.get_logger()

# One transaction's worth: short enough for the statement's time limit.
BATCH = 1000

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


class KeepsJobs(Protocol):
    """What pruning needs to be handed."""

    @property
    def database(self) -> Database: ...

    @property
    def keep_jobs_days(self) -> int: ...


async def prune_jobs(_job: PruneJobs, resources: KeepsJobs) -> None:
    """In batches: what was deleted stays deleted if it is interrupted."""
    pruned, batch = 0, BATCH
    while batch == BATCH:
        async with resources.database.transaction() as session:
            found = await session.execute(PRUNE, {"days": resources.keep_jobs_days, "batch": BATCH})
            batch = len(found.all())
        pruned += batch
    log.info("jobs_pruned", count=pruned)
