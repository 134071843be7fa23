"""Prepares the database that `make run` serves from: the schema of this release, and an API key."""

import sys
from pathlib import Path

from app.cli import main as app
from development.api_key import NoKey, key_for_development
from development.key_file import PREPARED_WITHOUT_KEY


def main() -> None:
    # Both in one process: loading the service takes longer than what they do.
    _migrate()
    try:
        key_for_development(Path.cwd())
    except NoKey as reason:
        print(reason, file=sys.stderr)
        sys.exit(PREPARED_WITHOUT_KEY)


def _migrate() -> None:
    """As `app migrate` does it, with its words and its exit codes."""
    sys.argv = ["app", "migrate"]
    try:
        app()
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    main()
