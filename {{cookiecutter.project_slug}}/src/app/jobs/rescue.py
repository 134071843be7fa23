"""Takes over the jobs of workers that died."""

from collections.abc import Mapping

from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as StoredJob
from procrastinate.jobs import Status

from app.jobs.envelope import carried_by
from app.jobs.errors import WorkerDied
from app.jobs.recording import Recorder
from app.observability.context import begin_job, forget_context


class Rescue:
    """Looks for jobs whose worker has given no sign of life for `stalled_seconds`.

    Several workers may look at the same time: the database lets one of them move a job, and the others raise.
    """

    def __init__(
        self, app: App, *, recorder: Recorder, attempts_allowed: Mapping[str, int], stalled_seconds: float
    ) -> None:
        self.app = app
        self.recorder = recorder
        self.attempts_allowed = attempts_allowed
        self.stalled_seconds = stalled_seconds

    async def look(self) -> None:
        """Put back what is stalled; give up what has cost as many workers as it may attempts."""
        for job in await self.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=self.stalled_seconds):
            begin_job(
                job_id=job.id or 0, job=job.task_name, attempt=job.attempts + 1, carried=carried_by(job.task_kwargs)
            )
            try:
                await self.move(job)
            except ConnectorException:
                pass  # another worker was faster, or the database is gone: then the next look finds it
            finally:
                forget_context()

    async def move(self, job: StoredJob) -> None:
        allowed = self.attempts_allowed.get(job.task_name)
        if allowed is not None and job.attempts + 1 >= allowed:
            await self.app.job_manager.finish_job(job, Status.FAILED, delete_job=False)
            self.recorder.given_up(job.task_name, WorkerDied())
        else:
            await self.app.job_manager.retry_job(job)
            self.recorder.rescued()
