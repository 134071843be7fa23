"""Puts the worker together, and stops it in the order that loses no job."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import structlog

from app.assembly.ending import end_within
from app.assembly.hanging_up import hang_up
from app.assembly.instruments import open_instruments
from app.assembly.jobs import HANDLERS, SCHEDULES
from app.assembly.management import serve_management
from app.assembly.sockets import listen
from app.core.identity import service_identity
from app.health.draining import Draining
from app.health.report import Health
from app.health.watching import watching
from app.jobs.worker import Worker
from app.observability.instruments import Instruments
from app.observability.metrics import JobMetrics
from app.persistence.database import open_database
from app.resources import Resources, connection_options, open_resources
from app.settings import Settings, essentials
from app.settings.loading import warn_about_variables

log = structlog.get_logger()

# Their jobs have been given back already, so nothing is won by waiting for longer.
THREADS_SECONDS = 3.0

# Beside those of the handlers, so that signs of life and outcomes never wait for them.
QUEUE_CONNECTIONS = 3


def work(settings: Settings) -> None:
    """Do jobs until a signal. Raises `ConfigurationError` when something is missing or the port is taken."""
    essentials(settings)
    with listen(settings.host, settings.management.port, variable="MANAGEMENT_PORT"):
        pass  # only to tell in a sentence if it is taken
    asyncio.run(work_until_stopped(settings, open_instruments(settings)))


async def work_until_stopped(settings: Settings, instruments: Instruments) -> None:
    """Opens everything in order, does jobs, and closes it in reverse. It starts without its database, too."""
    warn_about_variables(settings)
    draining = Draining()
    with closing(instruments.errors):
        async with (
            open_resources(settings, instruments.metrics) as resources,
            open_worker(settings, resources, instruments) as worker,
        ):
            health = Health([*resources.checks, worker.check], draining=draining, metrics=instruments.metrics)
            async with watching(health), serve_management(settings, health=health, metrics=instruments.metrics):
                stop_on_signals(draining, worker.stop)
                log.info("started", release=service_identity().release, environment=settings.environment)
                await worker.run(grace_seconds=settings.shutdown.grace_seconds)
    log.info("stopped")
    end_within(THREADS_SECONDS, event="threads_left_behind")


@asynccontextmanager
async def open_worker(
    settings: Settings, resources: Resources, instruments: Instruments
) -> AsyncIterator[Worker[Resources]]:
    """A worker with connections of its own for the queue."""
    options = connection_options(settings)
    options = replace(options, statement_timeout=options.statement_timeout or settings.jobs.stalled_seconds)
    database = open_database(options, pool_size=QUEUE_CONNECTIONS, wait_seconds=settings.jobs.stalled_seconds)
    try:
        yield Worker(
            database=database,
            listening=options,
            handlers=HANDLERS,
            schedules=SCHEDULES,
            resources=resources,
            concurrency=settings.jobs.concurrency,
            stalled_seconds=settings.jobs.stalled_seconds,
            metrics=JobMetrics(instruments.metrics.registry),
            report=instruments.errors.report,
        )
    finally:
        await database.close()


def stop_on_signals(draining: Draining, stop: Callable[[], None]) -> None:
    """The first signal lets what runs finish; the next one gives it back to the queue at once."""

    def on_signal(number: signal.Signals) -> None:
        log.info("hurrying" if draining.has_begun else "draining", signal=number.name)
        draining.begin()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT, *hang_up()):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
