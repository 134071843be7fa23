"""A file that one process at a time holds; the system lets go of it however that process ends. Needs only Python."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(file: Path, *, when_taken: Callable[[], None]) -> Iterator[None]:
    """Hold it for the block. If another process has it, `when_taken` may raise; otherwise this waits for its turn."""
    import fcntl  # here, because set-up must get as far as telling a Windows user what to do

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            when_taken()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
