"""Brings the schema up to this release.

Two branches of revisions live beside each other: `platform` is the template's and `service` is
yours. Each has one head, so a later version of the template can add revisions below yours.
"""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.persistence.engine import ConnectionOptions, create_engine

FOLDER = Path(__file__).resolve().parents[3] / "migrations"

# Any constant will do, as long as every replica uses the same.
ADVISORY_LOCK = 7_203_011
LOCK_PAUSE_SECONDS = 0.1


async def migrate(options: ConnectionOptions) -> None:
    """Upgrade to this release's heads.

    Holds an advisory lock meanwhile, so that replicas that start together migrate once.
    Raises `DatabaseUnavailable`.
    """
    engine = create_engine(options, pool_size=1)
    try:
        async with engine.connect() as connection:
            await lock_out_others(connection)
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


async def lock_out_others(connection: AsyncConnection) -> None:
    """Take the lock, which lasts as long as the connection.

    Asks again and again instead of waiting in the server: a statement that waits holds a snapshot,
    and a `CREATE INDEX CONCURRENTLY` of the one that migrates would wait for it for ever.
    """
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}):
        await connection.commit()
        await asyncio.sleep(LOCK_PAUSE_SECONDS)
    await connection.commit()


def upgrade(connection: Connection, *, target: str = "heads") -> None:
    """Run the revisions on an open connection, each in a transaction of its own."""
    command.upgrade(alembic_config(connection), target)


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; `migrations/env.py` uses the connection if one is given."""
    config = Config(FOLDER.parent / "alembic.ini", attributes={"connection": connection})
    config.set_main_option("script_location", FOLDER.as_posix().replace("%", "%%"))
    return config
