"""Brings the schema up to this release.

Two branches of revisions live beside each other: `platform` is the template's and `service` is
yours. Each has one head, so a later version of the template can add revisions below yours.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.checks import CheckFailed
from app.persistence.engine import ConnectionOptions, create_engine
from app.persistence.errors import DatabaseUnavailable, driver_error, in_words
from app.persistence.revisions import applied_revisions, missing_heads, unknown_revisions

FOLDER = Path(__file__).resolve().parents[3] / "migrations"

# Any constant will do, as long as every replica uses the same.
ADVISORY_LOCK = 7_203_011
LOCK_PAUSE_SECONDS = 0.1

# So long Kubernetes waits for a roll-out, too, before it calls it stuck (`progressDeadlineSeconds`).
LOCK_SECONDS = 600.0


class MigrationFailed(CheckFailed):
    """The schema is not that of this release. The message says why, and what to do."""


async def migrate(options: ConnectionOptions, *, on_wait: Callable[[], None] = lambda: None) -> list[str]:
    """Upgrade to this release's heads. Nothing is done to a schema that is ahead: its newer revisions are returned.

    Holds an advisory lock meanwhile, so that replicas that start together migrate once; `on_wait` is called once
    if another has it. Raises `DatabaseUnavailable` and `MigrationFailed`.
    """
    engine = create_engine(options, pool_size=1)
    try:
        async with engine.connect() as connection:
            await lock_out_others(connection, on_wait=on_wait)
            return await connection.run_sync(upgrade)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from driver_error(error)
        raise MigrationFailed(told(error)) from error
    finally:
        await engine.dispose()


async def lock_out_others(connection: AsyncConnection, *, on_wait: Callable[[], None]) -> None:
    """Take the lock, which lasts as long as the connection. Raises `MigrationFailed` if it is never free.

    Asks again and again instead of waiting in the server: a statement that waits holds a snapshot,
    and a `CREATE INDEX CONCURRENTLY` of the one that migrates would wait for it for ever.
    """
    if await has_lock(connection):
        return
    on_wait()
    try:
        async with asyncio.timeout(LOCK_SECONDS):
            while not await has_lock(connection):  # noqa: ASYNC110 - the server does not tell when it is free
                await asyncio.sleep(LOCK_PAUSE_SECONDS)
    except TimeoutError:
        raise MigrationFailed(
            f"Another process has been migrating this database for {LOCK_SECONDS / 60:g} minutes; nothing was done. "
            "See in pg_stat_activity what it does, end it if it hangs, and run `app migrate` again."
        ) from None


async def has_lock(connection: AsyncConnection) -> bool:
    """Whether it is ours now."""
    is_ours = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    await connection.commit()
    return bool(is_ours)


def upgrade(connection: Connection) -> list[str]:
    """Run the revisions on an open connection, each in a transaction of its own."""
    newer = newer_revisions(connection)
    connection.rollback()  # or all revisions would be in the transaction that looked
    if not newer:  # Alembic fails on a table that has a revision which it cannot find
        command.upgrade(alembic_config(connection), "heads")
    return newer


def newer_revisions(connection: Connection) -> list[str]:
    """Those of a schema that is ahead of this release. Raises `MigrationFailed` if it is behind as well."""
    scripts = ScriptDirectory.from_config(alembic_config())
    applied = applied_revisions(connection)
    newer = unknown_revisions(scripts, applied)
    missing = missing_heads(scripts, applied) if newer else []
    if missing:
        raise MigrationFailed(
            f"The schema has what this release does not know ({', '.join(newer)}) and lacks what it needs "
            f"({', '.join(missing)}); nothing was done. Run `app migrate` of a release that has both."
        )
    return newer


def told(error: DBAPIError) -> str:
    """What failed, and at which statement, which is ours; the server's words may quote a row."""
    statement = " ".join((error.statement or "").split())
    return f"The migration failed; the revisions before stand. {in_words(driver_error(error))} ({statement:.200})"


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; `migrations/env.py` uses the connection if one is given."""
    config = Config(FOLDER.parent / "alembic.ini", attributes={"connection": connection})
    config.set_main_option("script_location", FOLDER.as_posix().replace("%", "%%"))
    return config
