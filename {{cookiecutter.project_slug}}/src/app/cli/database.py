"""The database as the operators' commands use it: opened, its schema checked, closed again."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from app.observability.logging import console_processors
from app.persistence.database import Database, open_database
from app.persistence.schema_check import SchemaCheck
from app.resources import connection_options
from app.settings import Settings, load_settings

T = TypeVar("T")


def with_database(action: Callable[[Database], Awaitable[T]]) -> T:
    """Connect, do it, disconnect. Raises `ConfigurationError`, and what `opened_database` raises."""

    async def run() -> T:
        async with opened_database(load_settings()) as database:
            return await action(database)

    log_to_stderr()
    return asyncio.run(run())


@asynccontextmanager
async def opened_database(settings: Settings) -> AsyncIterator[Database]:
    """One connection. Raises `Unavailable` without a database and `CheckFailed` without its tables."""
    wait_seconds = settings.database.pool_wait_seconds
    database = open_database(connection_options(settings), pool_size=1, wait_seconds=wait_seconds)
    try:
        await SchemaCheck(database).probe()
        yield database
    finally:
        await database.close()


def log_to_stderr() -> None:
    """What a command prints is for scripts. Its troubles are told in a sentence, so only errors are logged."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, *console_processors(sys.stderr)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
