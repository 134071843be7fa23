"""Runs Alembic on the connection it is given, or on one of its own."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from app.assembly.models import METADATA
from app.persistence.engine import create_engine
from app.resources import connection_options
from app.settings import load_settings


def run(connection: Connection) -> None:
    """Each revision in a transaction of its own: one that fails leaves those before it in place."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transaction_per_migration=True,
        compare_server_default=True,
        include_name=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """The queue's tables are its library's: no model describes them, and comparing would drop them."""
    return not (kind == "table" and str(name).startswith("procrastinate_"))


async def connect_and_run() -> None:
    engine = create_engine(connection_options(load_settings()), pool_size=1)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(connect_and_run())
else:
    run(given)
