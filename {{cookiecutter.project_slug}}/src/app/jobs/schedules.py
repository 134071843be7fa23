"""Knows which scheduled jobs are due."""

import time
from collections.abc import Sequence
from typing import Any

from procrastinate import Blueprint
from procrastinate.periodic import PeriodicDeferrer, PeriodicRegistry
from procrastinate.tasks import Task

from app.jobs.envelope import QUEUE
from app.jobs.handler import Schedule
from app.jobs.store import Store


class Clock:
    """Enqueues what is due, with procrastinate's reading of cron expressions.

    Every worker does: the database takes each job once for each time, whoever is first. A new clock looks
    back ten minutes for the last time of each schedule.
    """

    def __init__(self, schedules: Sequence[Schedule], store: Store) -> None:
        self.store = store
        self.schedules = {(schedule.job.name, schedule.cron): schedule for schedule in schedules}
        self.look_back()

    async def run(self) -> None:
        """Enqueue what has become due since the last call, and wait for what is next."""
        now = time.time()
        await self.enqueue_due(at=now)
        await self.deferrer.wait(next_tick=self.deferrer.get_next_tick(at=now))

    async def enqueue_due(self, *, at: float) -> None:
        """Each job once for each of its times, up to that moment in seconds since 1970."""
        try:
            for entry, due in self.deferrer.get_previous_tasks(at=at):
                await self.store.defer_scheduled(self.schedules[entry.task.name, entry.periodic_id], due=due)
        except Exception:
            self.look_back()
            raise

    def look_back(self) -> None:
        """Forget what has been enqueued. The database knows, so nothing is enqueued twice."""
        self.deferrer = PeriodicDeferrer(timetable(list(self.schedules.values())))


def timetable(schedules: Sequence[Schedule]) -> PeriodicRegistry:
    """Procrastinate's form of it. Its tasks are only names here: our own worker runs the jobs."""
    registry = PeriodicRegistry()  # type: ignore[no-untyped-call] # its constructor has no annotation
    for schedule in schedules:
        registry.register_task(task_of(schedule), schedule.cron, schedule.cron, {})
    return registry


def task_of(schedule: Schedule) -> Any:  # Any: the library counts the arguments of a function that is never called
    return Task(lambda: None, blueprint=Blueprint(), name=schedule.job.name, queue=QUEUE)
