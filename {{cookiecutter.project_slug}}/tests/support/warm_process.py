"""Runs pytest in a process of its own that need not import the service first.

Importing it takes seconds, running one test takes less. So one process, the fork server, imports everything once,
and each run is a fork of it.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path

import pytest

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.switches", "hypothesis", "pytest", "tests.support.service"])


def run_pytest(*options: str, output: Path, environment: Mapping[str, str], seconds: float) -> int | None:
    """Its exit code, or none if it was killed because it took longer; what it printed is in `output`."""
    with unmeasured():
        forkserver.ensure_running()
    process = CONTEXT.Process(target=become_pytest, args=(options, output, dict(environment)))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return process.exitcode


@contextmanager
def unmeasured() -> Iterator[None]:
    """What runs without a part of the service says nothing about coverage, and measuring it doubles the time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            patch.delenv(name)
        yield


def become_pytest(options: tuple[str, ...], output: Path, environment: dict[str, str]) -> None:
    """In the fork."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
    os.environ.update(environment)
    # What the fork server has imported cannot be rewritten any more: those modules' assertions say less, that is all.
    sys.exit(pytest.main(["-Wignore::pytest.PytestAssertRewriteWarning", *options]))
