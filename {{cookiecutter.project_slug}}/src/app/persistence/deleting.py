"""Deletes much, a little at a time."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.persistence.database import Database

# One transaction's worth: short enough for the statement's time limit.
BATCH = 1000


class HasDatabase(Protocol):
    """What a job that deletes needs to be handed."""

    @property
    def database(self) -> Database: ...


async def delete_in_batches(database: Database, delete_some: Callable[[AsyncSession, int], Awaitable[int]]) -> int:
    """Call `delete_some(session, limit)`, which says how many it deleted, until they are fewer; returns their sum.

    Each time in a transaction of its own: what was deleted stays deleted if it is interrupted.
    """
    deleted, batch = 0, BATCH
    while batch == BATCH:
        async with database.transaction() as session:
            batch = await delete_some(session, BATCH)
        deleted += batch
    return deleted
