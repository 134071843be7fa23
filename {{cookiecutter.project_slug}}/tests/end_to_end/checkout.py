"""A copy of this project in a folder of its own, and `make run` at work in it."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from development.direct import DIRECT
from development.processes import is_alive, wait_until
from development.supervisor import is_ready
from tests.support.ports import free_ports

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ["src", "development", "migrations", "requirements"]
COPIED += ["alembic.ini", "pyproject.toml", "Makefile", ".env.example"]
SUPERVISOR = (sys.executable, "-m", "development.run")
MAKE_RUN = ("make", "run")


class Checkout:
    """Has its own data and its own `.env`, and shares the environment that the tests run in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in COPIED:
            _copy(PROJECT / name, folder / name)
        (folder / ".venv").symlink_to(sys.prefix)

    @property
    def environment(self) -> dict[str, str]:
        # The shared environment's editable install names the original's sources; these are the copy's. (Commands of
        # make drop it, and so work with the original's.)
        return clean_environment() | {"PYTHONPATH": str(self.folder / "src")}

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def serve(self, command: Sequence[str] = SUPERVISOR, **variables: str) -> "Run":
        return Run(self, command, variables)


class Run:
    """One start of the service in a checkout; leaving the block ends whatever the test left."""

    def __init__(self, checkout: Checkout, command: Sequence[str], variables: dict[str, str]) -> None:
        self.log = checkout.folder / "run.log"
        self.checkout = checkout
        api, management = free_ports(2)
        port = {"PORT": str(api), "MANAGEMENT_PORT": str(management)}
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=checkout.folder,
                env=checkout.environment | port | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Run":
        is_up = wait_until(lambda: "Ctrl-C" in self.said or self.process.poll() is not None, within_seconds=100)
        assert is_up, self.said
        assert self.process.poll() is None, self.said
        self.processes = {name: psutil.Process(pid) for name, pid in self.recorded_pids().items()}
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def database_url(self) -> str:
        found = re.search(r'psql "(.+)"', self.said)
        assert found, self.said
        return found[1]

    def has_a_ready_worker(self) -> bool:
        found = re.search(r"worker +(http://.+)/metrics", self.said)
        assert found, self.said
        return is_ready(found[1])

    @property
    def key(self) -> str:
        found = re.search(r"API key +(\S+)", self.said)
        assert found, self.said
        return found[1]

    @property
    def url(self) -> str:
        found = re.search(r"\n  service +(\S+)", self.said)
        assert found, self.said
        return found[1]

    @property
    def commands(self) -> list[str]:
        """The lines that are printed for a second terminal."""
        found = re.search(r"commands +(.+(?:\n {14}.+)*)", self.said)
        assert found, self.said
        return [line.strip() for line in found[1].splitlines()]

    def try_it(self) -> str:
        """What the command that is printed to be tried answers."""
        line = next(line for line in self.said.splitlines() if line.startswith("  try "))
        _, curl, option, header, url = shlex.split(line)
        assert (curl, option) == ("curl", "-H")
        name, _, value = header.partition(": ")
        with DIRECT.open(urllib.request.Request(url, headers={name: value}), timeout=10) as answer:  # noqa: S310 - ours
            return str(answer.read().decode())

    def recorded_pids(self) -> dict[str, int]:
        entries = json.loads((self.checkout.folder / ".run" / "children.json").read_text())
        return {entry["name"]: entry["pid"] for entry in entries if psutil.pid_exists(entry["pid"])}

    def interrupt_all(self) -> None:
        """What a terminal does on Ctrl-C: everything in the foreground gets it, whoever left for a session doesn't."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> int:
        return self.process.wait(timeout=15)

    def survivors(self) -> list[str]:
        wait_until(lambda: not any(map(is_alive, self.processes.values())), within_seconds=1)
        return [name for name, process in self.processes.items() if is_alive(process)]

    @property
    def socket_folder(self) -> Path:
        return Path(self.database_url.partition("?host=")[2])


def is_set_up() -> bool:
    """Whether the environment of this test is the project's own and up to date, so that `make` leaves it alone."""
    command = [sys.executable, "development/set_up.py", "--check", "--venv", sys.prefix]
    return subprocess.run(command, cwd=PROJECT, check=False, timeout=60).returncode == 0


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


def clean_environment() -> dict[str, str]:
    """Of the caller's, what a shell needs; no setting of the service, nothing of make or pytest."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}
