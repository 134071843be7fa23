"""Where results are kept, and where servers keep what nobody will miss."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from development.accounts import PROJECT

# Git ignores it, and `make clean` removes it.
RESULTS = PROJECT / "build" / "performance"


@contextmanager
def folder_for_a_while() -> Iterator[Path]:
    """For data and logs: a benchmark writes hundreds of megabytes of them."""
    with tempfile.TemporaryDirectory(prefix="performance-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the database runs as another user
        yield folder


def keep(name: str, text: str, folder: Path = RESULTS) -> Path:
    """Write a result."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file
