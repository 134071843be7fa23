"""Much is deleted a little at a time, and what was deleted stays deleted."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.persistence import deleting
from app.persistence.database import Database, open_database
from app.persistence.deleting import delete_in_batches
from tests.support.databases import execute, fetch, options_for

ROWS = 5
BATCH = 2

DELETE = text("DELETE FROM rows WHERE id IN (SELECT id FROM rows ORDER BY id LIMIT :limit) RETURNING id")


@pytest.fixture
def url(worker_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a database with some rows, of which fewer go into a batch."""
    monkeypatch.setattr(deleting, "BATCH", BATCH)
    execute(
        worker_database_url,
        "CREATE TABLE rows (id int PRIMARY KEY)",
        f"INSERT INTO rows SELECT generate_series(1, {ROWS})",
    )
    yield worker_database_url
    execute(worker_database_url, "DROP TABLE rows")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = open_database(options_for(url), pool_size=1, wait_seconds=5)
    yield opened
    await opened.close()


async def delete_some(session: AsyncSession, limit: int) -> int:
    return len((await session.execute(DELETE, {"limit": limit})).all())


async def test_everything_is_deleted_in_batches_and_counted(database: Database, url: str) -> None:
    batches: list[int] = []

    async def delete_and_note(session: AsyncSession, limit: int) -> int:
        batches.append(await delete_some(session, limit))
        return batches[-1]

    deleted = await delete_in_batches(database, delete_and_note)

    assert (deleted, batches) == (ROWS, [2, 2, 1])
    assert await fetch(url, "SELECT id FROM rows") == []


async def test_what_was_deleted_before_an_interruption_stays_deleted(database: Database, url: str) -> None:
    async def delete_until_the_last(session: AsyncSession, limit: int) -> int:
        found = await delete_some(session, limit)
        if found < limit:
            raise InterruptedError
        return found

    with pytest.raises(InterruptedError):
        await delete_in_batches(database, delete_until_the_last)

    assert await fetch(url, "SELECT id FROM rows") == [ROWS]
