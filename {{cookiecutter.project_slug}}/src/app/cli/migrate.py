"""`app migrate`: brings the schema up to this release."""

import asyncio
from dataclasses import replace

from rich.console import Console


def migrate() -> None:
    """Upgrade the database to this release. Safe to run from many replicas at once: one migrates, the others wait.

    Nothing is done to a database that a newer release has migrated: this one runs on it.
    """
    from app.persistence.migrations import migrate as upgrade
    from app.resources import connection_options
    from app.settings import load_settings

    settings = load_settings()
    # A revision may run for longer than any request's statement.
    options = replace(connection_options(settings), statement_timeout=0, idle_in_transaction_timeout=0)
    newer = asyncio.run(upgrade(options, on_wait=tell_of_waiting))
    if newer:
        say(f"The schema is ahead of this release ({', '.join(newer)}); nothing to do.")
    else:
        say("The schema is up to date.")


def tell_of_waiting() -> None:
    say("Another process migrates this database; waiting for it.")


def say(sentence: str) -> None:
    Console(markup=False, soft_wrap=True, highlight=False).print(sentence)
