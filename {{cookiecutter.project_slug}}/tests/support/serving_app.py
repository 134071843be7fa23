"""`app serve` as a process of its own, with the lines it prints."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.support.commands import APP, PROJECT, clean_environment
from tests.support.ports import free_ports
from tests.support.waiting import wait_until

# A module to serve instead, with routes that log and crash.
TALKATIVE = "tests.support.talkative_service"

END_SECONDS = 15.0


@dataclass
class ServingApp:
    """`app serve`, running. Everything it prints is kept."""

    process: subprocess.Popen[str]
    client: httpx2.Client
    management: httpx2.Client
    lines: list[str] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of its log. Fails if one of them is no JSON."""
        return [json.loads(line) for line in self.lines]

    def named(self, event: str) -> list[dict[str, Any]]:
        """Every log line of this name so far."""
        return [line for line in self.events if line["event"] == event]

    def wait_for_event(self, event: str) -> dict[str, Any]:
        """The first line of this name, as soon as it is printed."""
        wait_until(lambda: bool(self.named(event)), what=f"a log line {event}")
        return self.named(event)[0]

    def access_line(self, request_id: str) -> dict[str, Any]:
        """The access log's line for one request; it is written after the answer."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.named("request") if line["request_id"] == request_id]

        wait_until(lambda: bool(found()), what=f"the access line of {request_id}")
        return found()[0]

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait_for_end(self) -> int:
        """Its exit code. Raises `subprocess.TimeoutExpired`."""
        return self.process.wait(timeout=END_SECONDS)


@contextmanager
def serving(*options: str, folder: Path, module: str | None = None, **variables: str) -> Iterator[ServingApp]:
    """Run `app serve`, or a module of the tests that does, until the end of the block."""
    port, management_port = free_ports(2)
    environment = {"PORT": str(port), "MANAGEMENT_PORT": str(management_port), **variables}
    command = [sys.executable, "-m", module] if module else [str(APP)]
    with ExitStack() as stack:
        process = stack.enter_context(started([*command, "serve", *options], folder=folder, environment=environment))
        client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10))
        management = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{management_port}", timeout=10))
        running = ServingApp(process, client, management)
        reader = threading.Thread(target=read_lines, args=(process, running.lines), daemon=True)
        reader.start()
        stack.callback(reader.join, END_SECONDS)
        stack.callback(end, process)
        wait_until(lambda: is_live(running), what="the service")
        yield running


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


def read_lines(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stdout
    for line in process.stdout:
        lines.append(line.rstrip("\n"))  # noqa: PERF401 - line by line, while others look


def is_live(running: ServingApp) -> bool:
    if running.process.poll() is not None:
        raise AssertionError("The service ended: " + "\n".join(running.lines))
    try:
        return running.client.get("/health/live").status_code == httpx2.codes.OK
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
        raise AssertionError("The service did not end when it was asked to.")


def has_ended(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(timeout=END_SECONDS / 3)
    except subprocess.TimeoutExpired:
        return False
    return True
