"""What set-up says: how far it is, and what to look at when it fails."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEEDED_BYTES = 1_000_000_000


@contextmanager
def step(what: str) -> Iterator[None]:
    started = time.monotonic()
    say(f"  {what} ...")
    yield
    say(f"  {what}: done in {time.monotonic() - started:.1f} s")


def network_advice(venv: Path) -> str:
    return (
        "Is the package index reachable from here (a proxy: HTTPS_PROXY, an index of your own: PIP_INDEX_URL)? "
        f"{space_advice(venv)}"
    )


def space_advice(venv: Path) -> str:
    free = shutil.disk_usage(venv.parent).free
    again = "Then run the same command again; it goes on where this one stopped."
    return f"Only {free // 1_000_000} MB are free, 1000 MB are needed. {again}" if free < NEEDED_BYTES else again


def say(line: str) -> None:
    print(line, flush=True)
