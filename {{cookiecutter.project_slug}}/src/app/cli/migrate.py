"""`app migrate`: brings the schema up to this release."""

import asyncio
from dataclasses import replace

from rich.console import Console


def migrate() -> None:
    """Upgrade the database to this release. Safe to run from many replicas at once: one migrates, the others wait."""
    from app.persistence.migrations import migrate as upgrade
    from app.resources import connection_options
    from app.settings import load_settings

    settings = load_settings()
    # A revision may run for longer than any request's statement.
    options = replace(connection_options(settings), statement_timeout=0, idle_in_transaction_timeout=0)
    asyncio.run(upgrade(options))
    Console().print("The schema is up to date.")
