"""Forgets answers that have expired: they hold what callers were told, and that is nobody's business any more."""

from typing import Protocol

import structlog

from app.jobs.job import Job
from app.persistence.database import Database
from app.web.idempotency.repository import StoredAnswerRepository

log = structlog.get_logger()

# One transaction's worth: short enough for the statement's time limit.
BATCH = 1000


class PruneAnswers(Job):
    """Forget answers that were stored more than IDEMPOTENCY_KEEP_HOURS ago."""

    name = "idempotency.prune"
    time_limit_seconds = 600.0


class HasDatabase(Protocol):
    """What pruning needs to be handed."""

    @property
    def database(self) -> Database: ...


async def prune_answers(_job: PruneAnswers, resources: HasDatabase) -> None:
    """In batches: what was deleted stays deleted if it is interrupted."""
    pruned, batch = 0, BATCH
    while batch == BATCH:
        async with resources.database.transaction() as session:
            batch = await StoredAnswerRepository(session).forget_expired(limit=BATCH)
        pruned += batch
    log.info("answers_pruned", count=pruned)
