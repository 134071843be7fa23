"""What a worker says to the database. Each method is one transaction.

Fetching and scheduling go through procrastinate's SQL functions. The rest is said here, because the library's
functions count what a stopping worker gives back as a failed attempt, and let a worker that was given up for
dead settle a job that another one runs meanwhile.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from app.jobs.envelope import QUEUE, pack
from app.jobs.handler import Schedule
from app.jobs.job import Job
from app.jobs.sql import sql
from app.persistence.database import Database

REGISTER = sql("SELECT worker_id FROM procrastinate_register_worker_v1()")

BEAT = sql("UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = :worker RETURNING id")

FETCH = sql("""
    SELECT job.id, job.task_name AS name, job.args::text AS payload, job.attempts
    FROM procrastinate_workers AS worker CROSS JOIN LATERAL procrastinate_fetch_job_v2(NULL, worker.id) AS job
    WHERE worker.id = :worker
""")

# A job may have been asked to abort in the moment in which it fails: then it is not tried again.
SETTLE = sql("""
    UPDATE procrastinate_jobs SET
        status = CASE WHEN abort_requested AND :status = 'todo' THEN 'aborted'
                      ELSE CAST(:status AS procrastinate_job_status) END,
        attempts = attempts + 1, abort_requested = false, worker_id = NULL,
        scheduled_at = CASE WHEN :status = 'todo' THEN now() + make_interval(secs => :wait) ELSE scheduled_at END
    WHERE id = :job AND status = 'doing' AND worker_id = :worker
    RETURNING id
""")

GIVE_BACK = sql("""
    UPDATE procrastinate_jobs SET
        status = CASE WHEN abort_requested THEN 'aborted' ELSE 'todo' END::procrastinate_job_status,
        abort_requested = false, worker_id = NULL, scheduled_at = NULL
    WHERE status = 'doing' AND worker_id = :worker
    RETURNING id, task_name AS name
""")

UNREGISTER = sql("DELETE FROM procrastinate_workers WHERE id = :worker")

# One rescuer at a time: two would wait for each other's rows for ever.
RESCUE_ALONE = sql("SELECT pg_try_advisory_xact_lock(hashtext('procrastinate_rescue'))")

# Lost are jobs of workers that are silent or gone, and jobs that this worker took and never got to know of, because
# the connection broke in between: those were not run. What is locked is just being settled.
RESCUE = sql("""
    WITH lost AS (
        SELECT id, task_name, CASE WHEN worker_id = :worker THEN 0 ELSE 1 END AS runs FROM procrastinate_jobs
        WHERE status = 'doing' AND (
            worker_id IS NULL
            OR worker_id IN (SELECT id FROM procrastinate_workers
                             WHERE last_heartbeat < now() - make_interval(secs => :stalled))
            OR (worker_id = :worker AND id <> ALL(CAST(:running AS bigint[])))
        )
        FOR UPDATE SKIP LOCKED
    ), allowed AS (
        SELECT * FROM unnest(CAST(:names AS text[]), CAST(:limits AS integer[])) AS known (name, attempts)
    )
    UPDATE procrastinate_jobs AS job SET
        status = CASE WHEN job.abort_requested THEN 'aborted'
                      WHEN job.attempts + lost.runs >= COALESCE(allowed.attempts, :otherwise) THEN 'failed'
                      ELSE 'todo' END::procrastinate_job_status,
        attempts = job.attempts + lost.runs, abort_requested = false, worker_id = NULL, scheduled_at = NULL
    FROM lost LEFT JOIN allowed ON allowed.name = lost.task_name
    WHERE job.id = lost.id
    RETURNING job.id, job.task_name AS name, job.status::text AS status, job.attempts, job.args::text AS payload
""")

FORGET_SILENT_WORKERS = sql("""
    DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => :stalled)
""")

TO_ABORT = sql("""
    SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = :worker AND abort_requested
""")

DEFER_SCHEDULED = sql("""
    SELECT procrastinate_defer_periodic_job_v2(
        CAST(:queue AS text), NULL, NULL, CAST(:name AS text), 0, CAST(:cron AS text), CAST(:due AS bigint),
        CAST(CAST(:payload AS text) AS jsonb))
""")

# Counting stops at a limit, and only what is next in line is asked for its age: both come from an index. It is looked
# through for what waits for later, which takes 0.2 s for a million jobs (measured).
SAMPLE = sql("""
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
        (SELECT count(*) FROM (
            SELECT FROM procrastinate_jobs
            WHERE status = 'todo' AND scheduled_at > now() AND attempts > 0 LIMIT :limit
        ) AS later) AS retrying,
        (SELECT count(*) FROM (SELECT FROM procrastinate_jobs WHERE status = 'failed' LIMIT :limit) AS dead) AS failed
""")

COUNTED_AT_MOST = 10_000


@dataclass(frozen=True)
class Fetched:
    """A job that this worker has taken. `attempts` is how often it was run before."""

    id: int
    name: str
    payload: str
    attempts: int


@dataclass(frozen=True)
class Rescued:
    """A job whose worker was lost; its status is what has become of it."""

    id: int
    name: str
    status: str
    attempts: int
    payload: str


@dataclass(frozen=True)
class Sample:
    """The queue at a moment. Counts stop at `COUNTED_AT_MOST`; the age is that of the job that is next in line."""

    waiting: int
    oldest_seconds: float
    retrying: int
    failed: int


class Store:
    """The queue, as one worker uses it. Raises what `Database.transaction` raises."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def rows(self, statement: Any, **values: Any) -> list[Row[Any]]:  # Any: statements and values of any type
        async with self.database.transaction() as session:
            return list((await session.execute(statement, values)).all())

    async def register(self) -> int:
        """The id of a worker that has just given its first sign of life."""
        [row] = await self.rows(REGISTER)
        return int(row.worker_id)

    async def beat(self, worker: int) -> bool:
        """Give a sign of life. False: somebody has given this worker up for dead."""
        return bool(await self.rows(BEAT, worker=worker))

    async def fetch(self, worker: int) -> Fetched | None:
        """Take the next job that is due, if there is one, and if this worker has not been given up for dead."""
        found = await self.rows(FETCH, worker=worker)
        jobs = [Fetched(row.id, row.name, row.payload, row.attempts) for row in found if row.id is not None]
        return jobs[0] if jobs else None

    async def settle(self, job: int, *, worker: int, status: str, wait_seconds: float) -> bool:
        """Write down how a job ended. False: it was not this worker's any more, and will run again elsewhere."""
        return bool(await self.rows(SETTLE, job=job, worker=worker, status=status, wait=wait_seconds))

    async def leave(self, worker: int) -> list[Row[Any]]:
        """Give back what this worker still has, as if it had never been fetched, and sign off."""
        async with self.database.transaction() as session:
            given_back = (await session.execute(GIVE_BACK, {"worker": worker})).all()
            await session.execute(UNREGISTER, {"worker": worker})
        return list(given_back)

    async def rescue(
        self, *, worker: int, running: Collection[int], stalled_seconds: float, attempts_allowed: Mapping[str, int]
    ) -> list[Rescued]:
        """Put lost jobs back, or to the failed ones if they have cost as many workers as they may.

        Nothing, while another worker does the same.
        """
        values = {
            "worker": worker,
            "running": list(running),
            "stalled": stalled_seconds,
            "names": list(attempts_allowed),
            "limits": list(attempts_allowed.values()),
            "otherwise": Job.max_attempts,  # another release may know it
        }
        async with self.database.transaction() as session:
            if not await session.scalar(RESCUE_ALONE):
                return []
            lost = (await session.execute(RESCUE, values)).all()
            await session.execute(FORGET_SILENT_WORKERS, {"stalled": stalled_seconds})
        return [Rescued(row.id, row.name, row.status, row.attempts, row.payload) for row in lost]

    async def to_abort(self, worker: int) -> list[int]:
        """Which of this worker's jobs somebody wants to end."""
        return [row.id for row in await self.rows(TO_ABORT, worker=worker)]

    async def defer_scheduled(self, schedule: Schedule, *, due: int) -> bool:
        """Enqueue a scheduled job for a time in seconds since 1970. False: another worker has done so."""
        job = schedule.job
        values = {"queue": QUEUE, "name": job.name, "cron": schedule.cron, "due": due}
        [row] = await self.rows(DEFER_SCHEDULED, payload=pack(job, due=due), **values)
        return row[0] is not None

    async def sample(self) -> Sample:
        """How long the queue is."""
        [row] = await self.rows(SAMPLE, limit=COUNTED_AT_MOST)
        return Sample(row.waiting, max(0.0, float(row.oldest or 0)), row.retrying, row.failed)
