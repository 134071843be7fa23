"""`make dev` runs the worker anew when the code changes, and leaves it be when half an edit broke it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.checkout import PROJECT, clean_environment
from tests.support.waiting import wait_until

STARTS = """import os, pathlib, signal
with pathlib.Path("starts").open("a") as starts:
    print(os.getpid(), file=starts)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "handler.py").write_text("answer = 41\n")
    (tmp_path / "starts").touch()
    return tmp_path


def test_a_changed_file_replaces_the_command_and_sigterm_ends_it(folder: Path) -> None:
    with reloading(folder, f"{STARTS}signal.pause()\n") as reloader:
        (first,) = wait_for_starts(folder, 1)

        (folder / "src" / "handler.py").write_text("answer = 42\n")
        _, second = wait_for_starts(folder, 2)
        replaced = not psutil.pid_exists(first)
        reloader.terminate()

        assert reloader.wait(timeout=10) == 0
        assert replaced
        assert not psutil.pid_exists(second)


def test_a_command_that_ended_is_run_again_after_the_next_change_and_not_before(folder: Path) -> None:
    with reloading(folder, STARTS) as reloader:
        wait_until(lambda: "the next change starts it again" in (folder / "said").read_text(), what="the message")
        before = wait_for_starts(folder, 1)

        (folder / "src" / "handler.py").unlink()

        assert wait_for_starts(folder, 2)[:-1] == before
        assert reloader.poll() is None


@contextmanager
def reloading(folder: Path, program: str) -> Iterator[subprocess.Popen[bytes]]:
    """The reloader at work on a program, until the end of the block."""
    (folder / "program.py").write_text(program)
    command = [sys.executable, "-m", "development.reloader", sys.executable, "program.py"]
    environment = clean_environment() | {"PYTHONPATH": str(PROJECT)}
    with (
        (folder / "said").open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as reloader,
    ):
        try:
            yield reloader
        finally:
            reloader.terminate()


def wait_for_starts(folder: Path, count: int) -> list[int]:
    """The ids of the processes that were started so far."""
    wait_until(lambda: len(starts(folder)) >= count, what=f"start number {count}")
    return starts(folder)


def starts(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "starts").read_text().split()]
