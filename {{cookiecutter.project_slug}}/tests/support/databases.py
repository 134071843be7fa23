"""Databases for tests, made from a template so that each costs milliseconds."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from app.assembly.models import METADATA
from app.persistence.database_url import DatabaseURL
from app.persistence.engine import ConnectionOptions
from app.persistence.migrations import migrate

QUEUE_TABLES = [f"procrastinate_{name}" for name in ("jobs", "events", "periodic_defers", "workers")]


class Databases:
    """Makes and drops databases on one server."""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self.made = 0

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a database without tables."""
        self.made += 1
        name = f"test_{os.getpid()}_{self.made}"
        execute(self.server_url, f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            yield urlsplit(self.server_url)._replace(path=f"/{name}").geturl()
        finally:
            execute(self.server_url, f'DROP DATABASE "{name}" WITH (FORCE)')

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """The URL of a database with the schema of this release."""
        with self.empty() as url:
            asyncio.run(migrate(options_for(url)))
            yield url

    def truncate(self, url: str) -> None:
        """Empty every table of ours, and the queue."""
        tables = ", ".join([*(f'"{table.name}"' for table in METADATA.sorted_tables), *QUEUE_TABLES])
        execute(url, f"TRUNCATE {tables} CASCADE")


def options_for(url: str) -> ConnectionOptions:
    return ConnectionOptions(url=DatabaseURL.parse(url), application_name="tests")


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[Any]:
    """A connection of its own."""
    connection = await asyncpg.connect(**DatabaseURL.parse(url).connect_arguments())
    try:
        yield connection
    finally:
        await connection.close()


async def fetch(url: str, query: str) -> list[Any]:
    """The first column of every row."""
    async with connection_to(url) as connection:
        return [row[0] for row in await connection.fetch(query)]


def execute(url: str, *statements: str) -> None:
    """Run statements outside of any transaction."""

    async def run() -> None:
        async with connection_to(url) as connection:
            for statement in statements:
                await connection.execute(statement)

    asyncio.run(run())
