"""Removes everything that commands made in this folder, and data that had to live elsewhere; keeps `.env`."""

import fcntl
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from development.accounts import PROJECT, home_elsewhere

MADE = [".venv", ".venv.lock", ".run", "build", "dist", ".coverage", "coverage.xml", "htmlcov", ".hypothesis"]
MADE += [".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache"]
SOURCES = ("src", "tests", "development", "migrations")


def main() -> None:
    if _is_running():
        sys.exit("The service is running from this folder: stop it before make clean.")
    for path in _made_by_commands():
        if path.name != "__pycache__":
            print(f"Removing {path}")
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _is_running() -> bool:
    lock = PROJECT / ".run" / "lock"
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _made_by_commands() -> Iterator[Path]:
    candidates = [home_elsewhere(), *(PROJECT / name for name in MADE), *PROJECT.glob(".coverage.*")]
    for source in SOURCES:
        candidates += (PROJECT / source).rglob("__pycache__")
    return (path for path in candidates if path.exists() or path.is_symlink())


if __name__ == "__main__":
    main()
