"""What the database did to us, in our own words.

DatabaseTrouble            an Unavailable: it is told to operators, too (`troubles.py`)
├── DatabaseUnavailable    no connection can be had
├── DatabaseBusy           no connection became free in time
├── StatementTimedOut      a statement took longer than allowed
└── SchemaMissing          a table is not there (yet)
ValueNotStorable           an InvalidRequest: PostgreSQL has no place for it
TransactionRolledBack      nothing was written; running the whole transaction again may succeed
"""

from sqlalchemy.exc import DBAPIError

from app.core.errors import InvalidRequest, Unavailable

READ_ONLY = "25006"
# Disk full, out of memory, too many connections; a lock that could not be had; shutting down or starting.
CANNOT_SERVE = ("53", "55P03", "57P0")


class DatabaseTrouble(Unavailable):
    """What was to be done cannot be done now, because of the database. Its cause, if it has one, is the driver's."""


class DatabaseUnavailable(DatabaseTrouble):
    """No connection to the database can be had."""

    def __init__(self) -> None:
        super().__init__("The database cannot be reached. Try again shortly.", retry_after=2)


class DatabaseBusy(DatabaseTrouble):
    """All connections stayed in use for as long as we may wait."""

    def __init__(self) -> None:
        super().__init__("The service is busy. Try again shortly.")


class StatementTimedOut(DatabaseTrouble):
    """A statement ran longer than the time limit and was cancelled."""

    def __init__(self) -> None:
        super().__init__("The database took too long to answer. Try again shortly.")


class SchemaMissing(DatabaseTrouble):
    """The tables are not those of this release: it was started before its migration, and is not ready."""

    def __init__(self) -> None:
        super().__init__("The service is not set up yet. Try again shortly.", retry_after=5)


class ValueNotStorable(InvalidRequest):
    """A schema let a value through that PostgreSQL has no place for: better refused late than a crash."""

    def __init__(self) -> None:
        super().__init__("A number is too large to be stored, or a text has characters that cannot be.")


class TransactionRolledBack(Exception):
    """The transaction had no effect and may be run again from its start."""


# https://www.postgresql.org/docs/current/errcodes-appendix.html
MEANINGS: dict[str, type[Exception]] = {
    "40001": TransactionRolledBack,  # serialization failure
    "40P01": TransactionRolledBack,  # deadlock
    "57014": StatementTimedOut,
    "25P03": StatementTimedOut,  # the idle transaction
    "25P04": StatementTimedOut,  # the whole transaction
    READ_ONLY: DatabaseUnavailable,
    "42P01": SchemaMissing,  # a table; a column that is not there is a crash, or nobody would hear of our mistakes
    "22021": ValueNotStorable,  # U+0000 in a text
    "22P05": ValueNotStorable,  # U+0000 in a JSON document
}


def translate(error: DBAPIError, *, is_committing: bool) -> Exception:
    """Our own error for one of the driver's, or the same error if it says nothing we can act on.

    A connection lost while the commit was on its way leaves the outcome unknown: running the
    transaction again could do its work twice, so that case is `DatabaseUnavailable`.
    """
    code = str(getattr(error.orig, "sqlstate", None))
    if code.startswith(CANNOT_SERVE):
        return DatabaseUnavailable()
    if error.connection_invalidated and code not in MEANINGS:
        return DatabaseUnavailable() if is_committing else TransactionRolledBack()
    meaning = ValueNotStorable if has_no_place(error) else MEANINGS.get(code)
    return meaning() if meaning else error


def has_no_place(error: DBAPIError) -> bool:
    """The driver could not write it in the type that the statement wants: 2 ** 40 as an int, half a character."""
    refusal = error.orig and error.orig.__cause__
    return isinstance(refusal and refusal.__cause__, OverflowError | UnicodeEncodeError)


def driver_error(error: DBAPIError) -> BaseException:
    """What the driver raised, in its own words. SQLAlchemy adds the statement, and an address of its own."""
    return (error.orig and error.orig.__cause__) or error.orig or error


def in_words(cause: BaseException) -> str:
    """Its first line: what follows may hold a row's values. One that says nothing is named."""
    return str(cause).strip().partition("\n")[0] or type(cause).__name__
