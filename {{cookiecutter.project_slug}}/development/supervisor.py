"""Starts everything that `make run` serves, watches it, and ends all of it again."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from development.children import Child, ChildFailed, start_child
from development.direct import DIRECT
from development.embedded_server import EmbeddedServer
from development.env_file import variables_of, write_env_file
from development.ledger import Ledger
from development.ports import choose_ports
from development.postgres import EmbeddedPostgres
from development.processes import POLL_SECONDS
from development.valkey import EmbeddedValkey

# With 4 s for PostgreSQL and 2 s for Valkey, and half a second each for what they leave, all ends within 15 s.
PATIENCE_SECONDS = 7


class StopRequested(Exception):
    """The user wants it to end; that is no failure."""


class Supervisor:
    """Starts the children in order, watches them, and ends them in reverse order."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._children: list[Child] = []
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
        environment = os.environ | servers | ports
        self._finish(self._app("migrate", environment=environment))
        self._children.append(self._app("serve", *(["--reload"] if reload else []), environment=environment))
        url = _url(variables | environment)
        self._wait_until(lambda: _is_ready(url))
        self._load_sample_data(url, environment)
        print(_what_is_where(url, ports["MANAGEMENT_PORT"], servers.get("DATABASE_URL")))
        self._wait_until(lambda: False)

    def _start_servers(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Only those that nobody has named."""
        urls = {}
        if "DATABASE_URL" not in variables:
            urls["DATABASE_URL"] = self._start_server(
                EmbeddedPostgres(self._folder("postgresql"), started=self._record)
            )
        if "REDIS_URL" not in variables:
            urls["REDIS_URL"] = self._start_server(EmbeddedValkey(self._folder("valkey"), started=self._record))
        return urls

    def _start_server(self, server: EmbeddedServer) -> str:
        self._check()
        wanted = server.folder
        self._ending.enter_context(server)
        self._children.append(server.child)
        elsewhere = "" if server.folder == wanted else " (this folder can't be entered by the server's account)"
        print(f"{server.name} is up; its data are in {server.folder}{elsewhere}")
        return server.url

    def _record(self, child: Child, sockets: Path | None) -> None:
        self._ledger.add(child, temporary_folder=sockets)

    def _folder(self, name: str) -> Path:
        return self.project / ".run" / name

    def _app(self, *arguments: str, environment: Mapping[str, str]) -> Child:
        app = Path(sys.executable).with_name("app")
        return self._start(f"app {arguments[0]}", [str(app), *arguments], environment)

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        self._check()
        child = start_child(name, command, environment=environment, folder=self.project)
        self._ending.callback(child.end, within_seconds=PATIENCE_SECONDS)
        self._ledger.add(child)
        return child

    def _finish(self, child: Child) -> None:
        self._wait_until(lambda: child.exit_code is not None)
        if child.exit_code != 0:
            raise ChildFailed(f"{child.ending}; the lines above say why.")

    def _load_sample_data(self, url: str, environment: Mapping[str, str]) -> None:
        if (self.project / "development" / "sample_data.py").exists():
            # It says itself when it's refused; whoever is changing that part of the service still wants it served.
            loading = self._start("sample data", [sys.executable, "-m", "development.sample_data", url], environment)
            self._wait_until(lambda: loading.exit_code is not None)

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        """With an eye on the children and on the user's wish to stop."""
        while not is_so():
            self._check()
            time.sleep(POLL_SECONDS)

    def _check(self) -> None:
        if self._must_stop:
            raise StopRequested
        for child in self._children:
            if child.exit_code is not None:
                raise ChildFailed(f"{child.ending}, so everything else was stopped too.")

    def _note_the_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._must_stop = True


def _url(variables: Mapping[str, str]) -> str:
    host = variables.get("HOST", "127.0.0.1")
    # "Every address" is good for listening, not for calling.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - to compare with, not to listen on
    return f"http://{reachable}:{variables['PORT']}"


def _is_ready(url: str) -> bool:
    try:
        with DIRECT.open(f"{url}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except OSError:
        return False


def _what_is_where(url: str, management_port: str, database: str | None) -> str:
    # A database of the user's own is not printed: its address may hold a password.
    psql = f'psql "{database}"' if database else "yours, see DATABASE_URL"
    return f"""
  service     {url}
  reference   {url}/docs
  operators   {url.rpartition(":")[0]}:{management_port}/metrics
  database    {psql}
  stop        Ctrl-C
"""
