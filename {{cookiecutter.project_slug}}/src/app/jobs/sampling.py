"""How long the queue is."""

from dataclasses import dataclass

from sqlalchemy import text

from app.persistence.database import Database

COUNTED_AT_MOST = 10_000

# Counting stops at a limit, and only what is next in line is asked for its age: both come from an index.
SAMPLE = text("""
    SELECT
        (SELECT count(*) FROM (
            SELECT FROM procrastinate_jobs
            WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) LIMIT :limit
        ) AS due) AS waiting,
        (SELECT extract(epoch FROM now() - COALESCE(next.scheduled_at, (
            SELECT min(event.at) FROM procrastinate_events event WHERE event.job_id = next.id AND type = 'deferred'
        ))) FROM (
            SELECT id, scheduled_at FROM procrastinate_jobs
            WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
            ORDER BY priority DESC, id LIMIT 1
        ) AS next) AS oldest,
        (SELECT count(*) FROM (SELECT FROM procrastinate_jobs WHERE status = 'failed' LIMIT :limit) AS dead) AS failed
""")


@dataclass(frozen=True)
class Sample:
    """The queue at a moment. Counts stop at `COUNTED_AT_MOST`; the age is that of the job that is next in line."""

    waiting: int
    oldest_seconds: float
    failed: int


async def sample(database: Database) -> Sample:
    """Raises what `Database.transaction` raises."""
    async with database.transaction() as session:
        row = (await session.execute(SAMPLE, {"limit": COUNTED_AT_MOST})).one()
    return Sample(row.waiting, max(0.0, float(row.oldest or 0)), row.failed)
