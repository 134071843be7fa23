"""Forgets answers that have expired: they hold what callers were told, and that is nobody's business any more."""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.job import Job
from app.persistence.deleting import HasDatabase, delete_in_batches
from app.web.idempotency.repository import StoredAnswerRepository

log = structlog.get_logger()


class PruneAnswers(Job):
    """Forget answers that have expired: when, was fixed by the IDEMPOTENCY_KEEP_HOURS with which they were stored."""

    name = "idempotency.prune"
    time_limit_seconds = 600.0


async def prune_answers(_job: PruneAnswers, resources: HasDatabase) -> None:
    async def forget_some(session: AsyncSession, limit: int) -> int:
        return await StoredAnswerRepository(session).forget_expired(limit=limit)

    log.info("answers_pruned", count=await delete_in_batches(resources.database, forget_some))
