"""Writes a new revision of the service's branch, by comparing the models with an empty, migrated database.

That database is always one of a throw-away server of its own, whatever DATABASE_URL and `.env` say: comparing means
applying every revision first, and nobody expects that of a command which writes a file. So it needs no settings
either, and works before the first `make run`.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.operations import MigrationScript
from alembic.util import CommandError
from sqlalchemy import Connection

from app.persistence.database_url import DatabaseURL
from app.persistence.engine import ConnectionOptions, create_engine
from app.persistence.migrations import alembic_config, upgrade
from development.errors import DevelopmentError
from development.postgres import EmbeddedPostgres
from development.postgres_binaries import PostgresMissing


class NothingChanged(DevelopmentError):
    """The models are what the revisions make of a database already."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="what changes, in a few words")
    message = parser.parse_args().name
    if not message.strip():
        parser.error('say what changes: make migration name="add a column for the due date"')
    try:
        write_revision(message)
    except PostgresMissing:
        sys.exit(
            "There is no PostgreSQL as a wheel for this platform, and your DATABASE_URL is never touched here: "
            "run make migration on Linux with glibc or on macOS, or write the revision by hand in migrations/service."
        )
    except (CommandError, DevelopmentError) as error:
        sys.exit(str(error))


def write_revision(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgresql", fast=True) as server:
        asyncio.run(compare(server.url, message))


async def compare(url: str, message: str) -> None:
    engine = create_engine(ConnectionOptions(DatabaseURL.parse(url), application_name="migration"), pool_size=1)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
            await connection.run_sync(add_revision, message)
    finally:
        await engine.dispose()


def add_revision(connection: Connection, message: str) -> None:
    command.revision(
        alembic_config(connection),
        message,
        autogenerate=True,
        head="service@head",
        version_path="migrations/service",
        process_revision_directives=refuse_an_empty_one,
    )


def refuse_an_empty_one(_context: object, _revision: object, directives: list[MigrationScript]) -> None:
    """Alembic calls it before it writes anything."""
    operations = directives[0].upgrade_ops
    if operations is None or operations.is_empty():
        raise NothingChanged(
            "Nothing changed between models and migrations, so no revision was written: "
            "is the new table's model listed in src/app/assembly/models.py?"
        )


if __name__ == "__main__":
    main()
