"""The database as the operators' commands use it: opened, its schema checked, closed again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

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
