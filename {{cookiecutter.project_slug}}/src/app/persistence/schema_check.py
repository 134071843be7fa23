"""Tells whether the database has the schema that this release needs."""

import structlog
from alembic.script import ScriptDirectory

from app.core.checks import CheckFailed
from app.persistence.database import Database
from app.persistence.migrations import alembic_config
from app.persistence.revisions import applied_revisions, missing_heads, unknown_revisions

log = structlog.get_logger()


class SchemaCheck:
    """Whether the database has every revision that this release needs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.scripts = ScriptDirectory.from_config(alembic_config())
        self.has_logged_ahead = False

    async def probe(self) -> None:
        """Raises `CheckFailed` when the database is behind.

        One that is ahead is fine: release N serves on the schema of N+1 while N+1 rolls out.
        """
        async with self.database.probe_connection() as connection:
            applied = await connection.run_sync(applied_revisions)
        if missing := missing_heads(self.scripts, applied):
            raise CheckFailed(f"The schema is behind this release ({', '.join(missing)}): run `app migrate`.")
        if unknown := unknown_revisions(self.scripts, applied):
            self.log_ahead_once(unknown)

    def log_ahead_once(self, unknown: list[str]) -> None:
        if not self.has_logged_ahead:
            log.info("schema_is_ahead", revisions=unknown)
            self.has_logged_ahead = True
