"""`app worker` as a process of its own, with the lines it prints."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from tests.support.ports import free_ports
from tests.support.running_app import RunningApp, command_of, is_live, read_from, started
from tests.support.waiting import wait_until

# A module to run instead, with jobs of the tests.
BUSY = "tests.support.busy_worker"


class WorkingApp(RunningApp):
    """`app worker`, running."""

    def is_ready(self) -> bool:
        """Whether it says that it is."""
        return self.management.get("/health/ready").status_code == httpx2.codes.OK

    def kill(self) -> None:
        """As the kernel does when memory is short: nobody is told."""
        self.process.kill()
        self.process.wait(timeout=10)


@contextmanager
def working(*, folder: Path, module: str | None = None, **variables: str) -> Iterator[WorkingApp]:
    """Run `app worker`, or a module of the tests that does, until the end of the block."""
    with launched(folder=folder, module=module, **variables) as running:
        wait_until(lambda: is_live(running, running.management), what="the worker")
        yield running


@contextmanager
def launched(*, folder: Path, module: str | None = None, **variables: str) -> Iterator[WorkingApp]:
    """The same for one that may end before it has begun to answer."""
    [port] = free_ports(1)
    environment = {"MANAGEMENT_PORT": str(port), **variables}
    with ExitStack() as stack:
        process = stack.enter_context(started([*command_of(module), "worker"], folder=folder, environment=environment))
        management = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10))
        running = WorkingApp(process, management)
        stack.enter_context(read_from(running))
        yield running
