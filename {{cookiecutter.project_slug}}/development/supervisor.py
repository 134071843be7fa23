"""Starts everything that `make run` serves, watches it, and ends all of it again."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from development.children import Child, ChildFailed, end_together, start_child
from development.direct import DIRECT
from development.embedded_server import EmbeddedServer
from development.env_file import variables_of, write_env_file
from development.key_file import PREPARED_WITHOUT_KEY, read_key
from development.ledger import Ledger
from development.page import addresses_of, what_is_where
from development.partners import StandInPayments, StandInShipping  # option: example
from development.ports import Ports, choose_ports
from development.postgres import EmbeddedPostgres
from development.processes import POLL_SECONDS
from development.valkey import EmbeddedValkey

PYTHON = sys.executable
APP = str(Path(PYTHON).with_name("app"))

# What is started if nobody has named one: its variable, its folder in `.run`, and what starts it.
SERVERS: list[tuple[str, str, Callable[..., EmbeddedServer]]] = [
    ("DATABASE_URL", "postgresql", EmbeddedPostgres),
    ("REDIS_URL", "valkey", EmbeddedValkey),
    ("SHIPPING_URL", "shipping", StandInShipping),  # option: example
    ("PAYMENTS_URL", "payments", StandInPayments),  # option: example
]

# With 4 s for PostgreSQL and 2 s for Valkey, and half a second each for what they leave, all ends within 15 s.
PATIENCE_SECONDS = 7

# Each question is a line in the service's log.
READY_POLL_SECONDS = 0.25


class StopRequested(Exception):
    """The user wants it to end; that is no failure."""


class Supervisor:
    """Starts the children in order, watches them, and ends them in reverse order."""

    def __init__(self, project: Path) -> None:
        self.project = project
        # Those that must not end by themselves, and those of the service, ended or not.
        self._children: list[Child] = []
        self._programs: list[Child] = []
        self._ledger = Ledger(project / ".run" / "children.json")
        self._ending = ExitStack()
        self._must_stop = False

    def __enter__(self) -> "Supervisor":
        # Only a note is taken here, which is looked at between steps: an exception thrown into the middle of a start
        # could lose the child that is being started.
        for wanted in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(wanted, self._note_the_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()
        self._ledger.clear()

    def serve(self, *, reload: bool) -> None:
        """Returns never: it ends with StopRequested or DevelopmentError."""
        for name in self._ledger.end_leftovers():
            print(f"Ended {name}, left over from a run that was killed.")
        if write_env_file(self.project):
            print("Wrote .env with fresh secrets.")
        variables = variables_of(self.project)
        ports = choose_ports(variables)
        servers = self._start_servers(variables)
        self._ending.callback(self._end_programs)
        environment = os.environ | servers | ports.of_service
        key = self._prepare_database(environment)
        self._start_service(environment, ports, reload=reload)
        addresses = addresses_of(variables, ports)
        self._wait_until_ready(addresses.service)
        self._wait_until_ready(addresses.worker)
        if key:
            self._load_sample_data(addresses.service)
        reference = addresses.reference if answers(addresses.reference) else None
        print(what_is_where(addresses, reference=reference, servers=servers, key=key))
        self._wait_until(lambda: False)

    def _start_servers(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Only those that nobody has named."""
        return {
            variable: self._start_server(server(self.project / ".run" / folder, started=self._record))
            for variable, folder, server in SERVERS
            if variable not in variables
        }

    def _start_server(self, server: EmbeddedServer) -> str:
        self._check()
        wanted = server.folder
        self._ending.enter_context(server)
        self._children.append(server.child)
        elsewhere = "" if server.folder == wanted else " (this folder can't be entered by the server's account)"
        print(f"{server.name} is up; its files are in {server.folder}{elsewhere}")
        return server.url

    def _record(self, child: Child, sockets: Path | None) -> None:
        self._ledger.add(child, temporary_folder=sockets)

    def _prepare_database(self, environment: dict[str, str]) -> str | None:
        """Gives the API key; without one it says itself why."""
        preparing = self._start("database preparation", [PYTHON, "-m", "development.prepare"], environment)
        self._wait_until(lambda: preparing.exit_code is not None)
        if preparing.exit_code not in {0, PREPARED_WITHOUT_KEY}:
            raise ChildFailed(f"{preparing.ending}; the lines above say why.")
        return read_key(self.project) if preparing.exit_code == 0 else None

    def _start_service(self, environment: dict[str, str], ports: Ports, *, reload: bool) -> None:
        serve, worker = [APP, "serve"], [APP, "worker"]
        if reload:
            serve, worker = [*serve, "--reload"], [PYTHON, "-m", "development.reloader", *worker]
        self._children.append(self._start("app serve", serve, environment))
        self._children.append(self._start("app worker", worker, environment | ports.of_worker))

    def _start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        self._check()
        child = start_child(name, command, environment=environment, folder=self.project)
        self._programs.append(child)
        self._ledger.add(child)
        return child

    def _end_programs(self) -> None:
        end_together(self._programs[::-1], within_seconds=PATIENCE_SECONDS)

    def _load_sample_data(self, url: str) -> None:
        if (self.project / "development" / "sample_data.py").exists():
            # It says itself when it's refused; whoever is changing that part of the service still wants it served.
            loading = self._start("sample data", [PYTHON, "-m", "development.sample_data", url], os.environ)
            self._wait_until(lambda: loading.exit_code is not None)

    def _wait_until_ready(self, url: str) -> None:
        self._wait_until(lambda: is_ready(url), every_seconds=READY_POLL_SECONDS)

    def _wait_until(self, is_so: Callable[[], bool], *, every_seconds: float = POLL_SECONDS) -> None:
        """With an eye on the children and on the user's wish to stop."""
        while not is_so():
            self._check()
            time.sleep(every_seconds)

    def _check(self) -> None:
        if self._must_stop:
            raise StopRequested
        for child in self._children:
            if child.exit_code is not None:
                raise ChildFailed(f"{child.ending}, so everything else was stopped too.")

    def _note_the_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._must_stop = True


def is_ready(url: str) -> bool:
    return answers(f"{url}/health/ready")


def answers(url: str) -> bool:
    """Whether there is something, and it is well."""
    try:
        with DIRECT.open(url, timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except OSError:
        return False
