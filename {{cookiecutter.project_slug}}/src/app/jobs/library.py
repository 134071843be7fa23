"""Procrastinate, told of our handlers and schedules."""

from collections.abc import Sequence
from typing import Any

from procrastinate import App

from app.jobs.attempt import Attempts
from app.jobs.connector import queue_connector
from app.jobs.envelope import pack
from app.jobs.handler import Handler, R, Schedule
from app.jobs.library_log import quieten
from app.jobs.recording import Recorder
from app.jobs.retries import Retries
from app.persistence.engine import ConnectionOptions


def queue_app(
    options: ConnectionOptions,
    *,
    handlers: Sequence[Handler[Any, R]],
    schedules: Sequence[Schedule],
    attempts: Attempts[R],
    recorder: Recorder,
) -> App:
    """The library's application; it connects to nothing yet."""
    quieten()
    app = App(connector=queue_connector(options))
    for handler in handlers:
        retries = Retries(handler.job.name, max_attempts=handler.job.max_attempts, recorder=recorder)
        task = app.task(name=handler.job.name, queue=handler.job.queue, retry=retries, pass_context=True)
        task(attempts.of(handler))
    for schedule in schedules:
        payload = pack(schedule.job).model_dump()
        task = app.tasks[schedule.job.name]
        app.periodic(cron=schedule.cron, periodic_id=schedule.cron, task_kwargs=payload)(task)
    return app
