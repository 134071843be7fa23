"""A long-running command as a process of its own, with the lines that it prints."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.support.commands import APP, PROJECT, clean_environment
from tests.support.waiting import wait_until

END_SECONDS = 30.0
LOG_SECONDS = 50.0


@dataclass
class RunningApp:
    """A command of `app` that runs until it is told to stop. Everything it prints is kept, while it `is_read`."""

    process: subprocess.Popen[str]
    management: httpx2.Client
    lines: list[str] = field(default_factory=list)
    is_read: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.is_read.set()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of its log. Fails if one of them is no JSON."""
        return [json.loads(line) for line in self.lines]

    def named(self, event: str) -> list[dict[str, Any]]:
        """Every log line of this name so far."""
        return [line for line in self.events if line["event"] == event]

    def wait_for_event(self, event: str, *, within_seconds: float = LOG_SECONDS) -> dict[str, Any]:
        """The first line of this name, as soon as it is printed."""
        wait_until(lambda: bool(self.named(event)), within_seconds=within_seconds, what=f"a log line {event}")
        return self.named(event)[0]

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait_for_end(self) -> int:
        """Its exit code. Raises `subprocess.TimeoutExpired`."""
        return self.process.wait(timeout=END_SECONDS)


@contextmanager
def read_from(running: RunningApp) -> Iterator[None]:
    """Keep what it prints, and end it with the block."""
    reader = threading.Thread(target=read_lines, args=(running,), daemon=True)
    reader.start()
    try:
        yield
    finally:
        running.is_read.set()
        end(running.process)
        reader.join(END_SECONDS)


def command_of(module: str | None) -> list[str]:
    """The console script, or a module of the tests that adds something to it."""
    return [sys.executable, "-m", module] if module else [str(APP)]


def printing_to(file: str, command: list[str]) -> list[str]:
    """The same command, and what it prints goes there."""
    return ["/bin/sh", "-c", f'exec "$@" > {file} 2>&1', "sh", *command]


@contextmanager
def started(command: list[str], *, folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment({"PYTHONPATH": str(PROJECT), **environment}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            end(process)


def read_lines(running: RunningApp) -> None:
    assert running.process.stdout
    for line in running.process.stdout:
        running.lines.append(line.rstrip("\n"))
        running.is_read.wait()


def is_live(running: RunningApp, client: httpx2.Client) -> bool:
    if running.process.poll() is not None:
        raise AssertionError("It ended: " + "\n".join(running.lines))
    try:
        return client.get("/health/live").status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def end(process: subprocess.Popen[str]) -> None:
    """Ask politely, twice so that it does not drain. Raises `AssertionError` if it had to be killed."""
    for number in (signal.SIGTERM, signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(number)
            if has_ended(process):
                return
    if process.poll() is None:
        process.kill()
        raise AssertionError("It did not end when it was asked to.")


def has_ended(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(timeout=END_SECONDS / 3)
    except subprocess.TimeoutExpired:
        return False
    return True
