"""Removes everything that commands made in this folder, and data that had to live elsewhere; keeps `.env`."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from development.accounts import PROJECT, home_elsewhere
from development.locks import held

MADE = [".venv", ".venv.lock", ".run", "build", "dist", ".coverage", "coverage.xml", "htmlcov", ".hypothesis"]
MADE += [".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache"]
SOURCES = ("src", "tests", "development", "migrations", "performance")


def main() -> None:
    # Only looked for: a folder in which nothing ever ran gets no lock.
    lock = PROJECT / ".run" / "lock"
    with held(lock, when_taken=_refuse) if lock.exists() else nullcontext():
        _remove()


def _refuse() -> None:
    sys.exit("The service is running from this folder: stop it before make clean.")


def _remove() -> None:
    for path in _made_by_commands():
        if path.name != "__pycache__":
            print(f"Removing {path}")
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _made_by_commands() -> Iterator[Path]:
    candidates = [home_elsewhere(), *(PROJECT / name for name in MADE), *PROJECT.glob(".coverage.*")]
    for source in SOURCES:
        candidates += (PROJECT / source).rglob("__pycache__")
    return (path for path in candidates if path.exists() or path.is_symlink())


if __name__ == "__main__":
    main()
