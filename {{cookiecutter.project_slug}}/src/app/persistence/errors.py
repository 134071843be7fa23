"""What the database did to us, in our own words.

Unavailable
├── DatabaseUnavailable    no connection can be had
├── DatabaseBusy           no connection became free in time
└── StatementTimedOut      a statement took longer than allowed
TransactionRolledBack      nothing was written; running the whole transaction again may succeed
"""

from sqlalchemy.exc import DBAPIError

from app.core.errors import Unavailable

# https://www.postgresql.org/docs/current/errcodes-appendix.html
SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
READ_ONLY = "25006"
TIMED_OUT = {"57014", "25P03", "25P04"}  # the statement, the idle transaction, the whole transaction
# Disk full, out of memory, too many connections; a lock that could not be had; shutting down or starting.
CANNOT_SERVE = ("53", "55P03", "57P0")


class DatabaseUnavailable(Unavailable):
    """No connection to the database can be had."""

    def __init__(self) -> None:
        super().__init__("The database cannot be reached. Try again shortly.", retry_after=2)


class DatabaseBusy(Unavailable):
    """All connections stayed in use for as long as we may wait."""

    def __init__(self) -> None:
        super().__init__("The service is busy. Try again shortly.")


class StatementTimedOut(Unavailable):
    """A statement ran longer than the time limit and was cancelled."""

    def __init__(self) -> None:
        super().__init__("The database took too long to answer. Try again shortly.")


class TransactionRolledBack(Exception):
    """The transaction had no effect and may be run again from its start."""


def translate(error: DBAPIError, *, is_committing: bool) -> Exception:
    """Our own error for one of the driver's, or the same error if it says nothing we can act on.

    A connection lost while the commit was on its way leaves the outcome unknown: running the
    transaction again could do its work twice, so that case is `DatabaseUnavailable`.
    """
    code = getattr(error.orig, "sqlstate", None)
    if code in {SERIALIZATION_FAILURE, DEADLOCK_DETECTED}:
        return TransactionRolledBack()
    if code in TIMED_OUT:
        return StatementTimedOut()
    if code == READ_ONLY or str(code).startswith(CANNOT_SERVE):
        return DatabaseUnavailable()
    if error.connection_invalidated:
        return DatabaseUnavailable() if is_committing else TransactionRolledBack()
    return error
