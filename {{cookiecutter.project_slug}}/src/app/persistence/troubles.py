"""Tells operators why the database makes us refuse requests: once when that begins, and once when it is over."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from app.persistence.errors import READ_ONLY, DatabaseTrouble, SchemaMissing, in_words

log = structlog.get_logger()

# One caller fails while the next succeeds, as when no new connections can be had: only when nobody has failed for so
# long is it over. A failover is done by then.
QUIET_SECONDS = 30.0


@dataclass
class Trouble:
    """One kind of trouble, for as long as it lasts."""

    name: str
    cause: str | None
    code: str
    began_at: float
    seen_at: float
    failures: int = 1


class Troubles:
    """The present ones of one database."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.present: dict[tuple[str, str], Trouble] = {}

    def add(self, error: DatabaseTrouble) -> None:
        """Somebody was refused. The first of each kind is logged."""
        cause = error.__cause__
        kind = (type(error).__name__, code_of(cause))
        now = self.clock()
        if trouble := self.present.get(kind):
            trouble.seen_at = now
            trouble.failures += 1
            return
        trouble = self.present[kind] = Trouble(kind[0], in_words(cause) if cause else None, kind[1], now, now)
        if isinstance(error, SchemaMissing):
            advice = "Run `app migrate`. If that has been done, a query names a table that nobody made."
            log.error("schema_missing", cause=trouble.cause, advice=advice)
        else:
            log.warning("database_hindered", error=trouble.name, cause=trouble.cause)

    def settle(self, *, has_only_read: bool) -> None:
        """Something went well: what nobody has met for a while is over. A read does not show that writing goes on."""
        now = self.clock()
        for kind, trouble in [*self.present.items()]:
            if now - trouble.seen_at < QUIET_SECONDS or (has_only_read and trouble.code == READ_ONLY):
                continue
            del self.present[kind]
            log.info(
                "database_recovered",
                error=trouble.name,
                cause=trouble.cause,
                failures=trouble.failures,
                seconds=round(trouble.seen_at - trouble.began_at, 1),
            )


def code_of(cause: BaseException | None) -> str:
    """The server's code, or the name of an error that is not the server's."""
    return getattr(cause, "sqlstate", None) or type(cause).__name__
