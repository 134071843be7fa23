"""Running commands as a user would, outside of this test run's environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from development.bake import ROOT

# A user's terminal knows nothing of the make, the pytest and the Python environment that we run in.
_OURS = ("COV_", "MAKE", "MFLAGS", "PYTEST_", "PYTHON", "VIRTUAL_ENV", "PORT", "MANAGEMENT_PORT", "DATABASE_", "REDIS_")


def outside_environment(**changes: str) -> dict[str, str]:
    """Return the environment of a user's terminal, with some variables changed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    # Every service installs the same packages: one cache saves minutes.
    caches = {"UV_CACHE_DIR": str(ROOT / "build/cache/uv"), "PIP_CACHE_DIR": str(ROOT / "build/cache/pip")}
    return caches | kept | changes


def run_cookiecutter(template: Path, *answers: str, output: Path) -> subprocess.CompletedProcess[str]:
    """Generate by the command line, with answers such as `project_slug=a/b`."""
    command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "--output-dir", str(output), *answers]
    home = output / "home"
    home.mkdir(exist_ok=True)
    # Cookiecutter leaves its record of the answers in the home folder and its copies of hooks in the temporary one.
    places = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), str(home))
    environment = outside_environment(**places, PYTHONUTF8="1")
    return subprocess.run(command, capture_output=True, check=False, encoding="utf-8", env=environment, timeout=60)


def run_make(folder: Path, *arguments: str, timeout: float, **variables: str) -> None:
    """Run make in a folder; if it ends badly, what it said is the reason of the failure."""
    log = folder / "make.log"
    with start_make(folder, *arguments, log=log, environment=outside_environment(**variables)) as process:
        process.wait(timeout)
    said = log.read_text(encoding="utf-8", errors="replace")
    log.unlink()
    assert process.returncode == 0, f"make {' '.join(arguments)} ended with {process.returncode}:\n{said[-8000:]}"


@contextlib.contextmanager
def start_make(
    folder: Path, *arguments: str, log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start make in a process group of its own, which is killed if make is still there at the end."""
    command = ["make", "--no-print-directory", *arguments]
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, start_new_session=True, stderr=subprocess.STDOUT, stdout=output
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
