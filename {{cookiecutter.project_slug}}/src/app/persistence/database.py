"""Transactions: how everything here talks to PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import floor, inf
from typing import TypeVar

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.util import greenlet_spawn

from app.persistence.after_commit import run_actions
from app.persistence.engine import ConnectionOptions, create_engine
from app.persistence.errors import DatabaseBusy, DatabaseTrouble, driver_error, translate
from app.persistence.line import Line
from app.persistence.troubles import Troubles
from app.resilience.deadline import remaining, suspended

Found = TypeVar("Found")

# One for each check that asks the database. Behind requests in a queue, a busy service would look like a dead one.
PROBE_CONNECTIONS = 2

# The server ends a statement a little after we ourselves give up.
LEEWAY_SECONDS = 0.2


class Database:
    """A bounded pool of connections, with a fair line in front of it."""

    def __init__(self, engine: AsyncEngine, *, size: int, wait_seconds: float, statement_seconds: float = inf) -> None:
        # On its connections each statement stands by itself: for `read`.
        self.reading_engine = engine
        # The same connections, set for a transaction and back again. That costs 50 µs of CPU, and most of what is asked
        # for only reads.
        self.engine = engine.execution_options(isolation_level="READ COMMITTED")
        self.line = Line(size=size, wait_seconds=wait_seconds)
        self.statement_seconds = statement_seconds
        self.troubles = Troubles()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends and rolls back when it raises.

        The deadline of the request that is being served holds for its statements too, and the server knows of it.

        Raises `DatabaseBusy`, `DatabaseUnavailable`, `StatementTimedOut`, and `TransactionRolledBack`
        when the whole block may be run again.
        """
        with self.watched(has_only_read=False):
            async with self.line:
                # Closing rolls back, which fails on a lost connection: the outer translation sees that too.
                with translated_errors(is_committing=False):
                    async with AsyncSession(self.engine, expire_on_commit=False) as session:
                        limit = self.statement_limit()
                        if limit is not None:
                            await session.execute(limit)
                        yield session
                        if session.new or session.dirty or session.deleted:  # a flush of nothing takes 8 µs
                            await session.flush()
                        # Cut off between the server's commit and its answer, what was done would be answered with 504.
                        with suspended(), translated_errors(is_committing=True):
                            await session.commit()
        if session.info:
            await run_actions(session)  # the connection is free again

    async def read(self, work: Callable[[Connection], Found]) -> Found:
        """What `work` finds. It is an ordinary function, so it can wait for nothing but its connection.

        Each of its statements sees what was committed before it, as in `transaction`, but nothing is begun or
        committed. While less time is left than a statement may take there is a transaction all the same, whose
        statements can be given less; it is rolled back.

        Raises what `transaction` raises.
        """
        with self.watched(has_only_read=True), translated_errors(is_committing=False):
            async with self.line:
                # All of it at once: the asynchronous connection does so for each step, and needs a task to close it.
                return await greenlet_spawn(self.work_alone, work)

    def work_alone(self, work: Callable[[Connection], Found]) -> Found:
        limit = self.statement_limit()
        engine = self.reading_engine if limit is None else self.engine
        with engine.sync_engine.connect() as connection:
            if limit is not None:
                connection.execute(limit)
            return work(connection)

    @contextmanager
    def watched(self, *, has_only_read: bool) -> Iterator[None]:
        """Let operators know what the database does to us, and when it is over."""
        try:
            yield
        except DatabaseTrouble as error:
            self.troubles.add(error)
            raise
        if self.troubles.present:
            self.troubles.settle(has_only_read=has_only_read)

    def statement_limit(self) -> TextClause | None:
        """Let the server end what nobody waits for, even when this process hangs and cannot cancel it.

        Costs a round trip, so only when less time is left than a statement may take anyway.
        """
        left = max(remaining(), 0) + LEEWAY_SECONDS
        return text(f"SET LOCAL statement_timeout = {whole_tenths(left)}") if left < self.statement_seconds else None

    @asynccontextmanager
    async def probe_connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for health checks, beside the line."""
        async with self.reading_engine.connect() as connection:
            yield connection

    async def ping(self) -> None:
        """Return if the database answers, raise if it does not."""
        async with self.probe_connection() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def open_database(options: ConnectionOptions, *, pool_size: int, wait_seconds: float) -> Database:
    """A database that connects at first use."""
    engine = create_engine(options, pool_size=pool_size + PROBE_CONNECTIONS, isolation_level="AUTOCOMMIT")
    statement_seconds = options.statement_timeout or inf
    return Database(engine, size=pool_size, wait_seconds=wait_seconds, statement_seconds=statement_seconds)


def whole_tenths(seconds: float) -> int:
    """Milliseconds, rounded down. In steps: the driver keeps each text as a statement."""
    return floor(seconds * 10) * 100


@contextmanager
def translated_errors(*, is_committing: bool) -> Iterator[None]:
    """The driver's errors in our own words."""
    try:
        yield
    except PoolTimeout:
        raise DatabaseBusy from None
    except DBAPIError as error:
        translated = translate(error, is_committing=is_committing)
        if translated is error:
            raise
        raise translated from driver_error(error)
