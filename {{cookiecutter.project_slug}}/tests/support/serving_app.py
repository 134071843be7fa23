"""`app serve` as a process of its own, with the lines it prints."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.support import running_app
from tests.support.commands import APP
from tests.support.ports import free_ports
from tests.support.running_app import RunningApp, command_of, printing_to, read_from, started
from tests.support.waiting import wait_until

# A module to serve instead, with routes that log and crash.
TALKATIVE = "tests.support.talkative_service"


@dataclass
class ServingApp(RunningApp):
    """`app serve`, running."""

    client: httpx2.Client = field(kw_only=True)

    def access_line(self, request_id: str) -> dict[str, Any]:
        """The access log's line for one request; it is written after the answer."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.named("request") if line["request_id"] == request_id]

        wait_until(lambda: bool(found()), what=f"the access line of {request_id}")
        return found()[0]


@contextmanager
def serving(
    *options: str, folder: Path, module: str | None = None, output: str | None = None, **variables: str
) -> Iterator[ServingApp]:
    """Run `app serve`, or a module of the tests that does, until the end of the block.

    What it prints is kept, unless it goes to a file of the name `output`.
    """
    port, management_port = free_ports(2)
    environment = {"PORT": str(port), "MANAGEMENT_PORT": str(management_port), **variables}
    command = [*command_of(module), "serve", *options]
    if output:
        command = printing_to(output, command)
    with ExitStack() as stack:
        process = stack.enter_context(started(command, folder=folder, environment=environment))
        client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{environment['PORT']}", timeout=10))
        management = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{management_port}", timeout=10))
        running = ServingApp(process, management, client=client)
        stack.enter_context(read_from(running))
        wait_until(lambda: is_live(running), what="the service")
        yield running


@contextmanager
def failing_to_serve(*options: str, folder: Path, **variables: str) -> Iterator[RunningApp]:
    """Run `app serve` without waiting for it to answer."""
    port, management_port = free_ports(2)
    environment = {"PORT": str(port), "MANAGEMENT_PORT": str(management_port), **variables}
    with ExitStack() as stack:
        process = stack.enter_context(started([str(APP), "serve", *options], folder=folder, environment=environment))
        management = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{management_port}", timeout=10))
        running = RunningApp(process, management)
        stack.enter_context(read_from(running))
        yield running


def is_live(running: ServingApp) -> bool:
    return running_app.is_live(running, running.client)
