"""Runs a command, and runs it anew whenever a source file changes: in `make dev` one of these holds the worker."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

SOURCES = Path("src")
LOOK_SECONDS = 0.25
# Less than the supervisor's patience with us.
PATIENCE_SECONDS = 5

Versions = dict[Path, int]


class Reloader:
    """Its command stays in its session, so that whoever ends the session ends the command too."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self._must_stop = False

    def run(self) -> None:
        """Until SIGTERM."""
        signal.signal(signal.SIGTERM, self._note_the_signal)
        while not self._must_stop:
            seen = _versions()
            process = subprocess.Popen(self.command)
            self._watch(process, seen)
            _end(process)

    def _watch(self, process: subprocess.Popen[bytes], seen: Versions) -> None:
        """Until something changes; a command that ended by itself is not run again before that."""
        is_running = True
        while not self._must_stop and _versions() == seen:
            if is_running and process.poll() is not None:
                is_running = False
                # Most likely half an edit: its other half mends it.
                print(f"{self._name} ended; the next change starts it again.", flush=True)
            time.sleep(LOOK_SECONDS)

    @property
    def _name(self) -> str:
        return " ".join([Path(self.command[0]).name, *self.command[1:]])

    def _note_the_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._must_stop = True


def _versions() -> Versions:
    """What vanishes while it looks, under an editor or a change of branch, counts as gone."""
    versions = {}
    for folder, _, names in os.walk(SOURCES):
        for path in (Path(folder, name) for name in names if name.endswith(".py")):
            with contextlib.suppress(FileNotFoundError):
                versions[path] = path.stat().st_mtime_ns
    return versions


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    Reloader(sys.argv[1:]).run()
