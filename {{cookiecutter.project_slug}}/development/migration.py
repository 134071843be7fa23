"""Writes a new revision of the service's branch, by comparing the models with an empty, migrated database."""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from development.errors import DevelopmentError
from development.postgres import EmbeddedPostgres

PROGRAMS = Path(sys.executable).parent
REVISION = ["revision", "--autogenerate", "--head", "service@head", "--version-path", "migrations/service"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="what changes, in a few words")
    message = parser.parse_args().name
    if not message.strip():
        parser.error('say what changes: make migration name="add a column for the due date"')
    try:
        _write_revision(message)
    except DevelopmentError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)


def _write_revision(message: str) -> None:
    url = os.environ.get("DATABASE_URL")
    with tempfile.TemporaryDirectory() as folder:
        # Never the database of `make run`: it may hold the tables of another branch of the code.
        own = nullcontext() if url else EmbeddedPostgres(Path(folder) / "postgresql", fast=True)
        with own as server:
            environment = os.environ | ({"DATABASE_URL": server.url} if server else {})
            subprocess.run([PROGRAMS / "app", "migrate"], env=environment, check=True)
            subprocess.run([PROGRAMS / "alembic", *REVISION, "-m", message], env=environment, check=True)


if __name__ == "__main__":
    main()
