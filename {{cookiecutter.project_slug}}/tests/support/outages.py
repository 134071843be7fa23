"""Servers of a test's own, which it may kill, freeze and start again at the same address."""

import signal
from pathlib import Path

import psutil
import redis

from development.accounts import account_for, private_folder
from development.children import Child, start_child, wait_until_ready
from development.postgres import EmbeddedPostgres, end_leftover
from development.postgres_binaries import postgres_programs
from development.processes import end_all, session_of
from development.valkey import valkey_program


class BreakablePostgres(EmbeddedPostgres):
    """PostgreSQL that dies like a machine without power and comes back with its data."""

    @property
    def url(self) -> str:
        # A fast server answers before it has written; what the test prepared must survive.
        return f"{super().url}&options=-c%20synchronous_commit%3Don"

    def kill(self) -> None:
        """Nobody is told."""
        kill_session(self.child)

    def revive(self) -> None:
        """On the same socket."""
        account = account_for(self.folder)
        end_leftover(self._data)
        self._serve(postgres_programs(account), account)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        for process in self.processes():
            process.suspend()

    def thaw(self) -> None:
        """It goes on where it was."""
        for process in self.processes():
            process.resume()

    def processes(self) -> list[psutil.Process]:
        # Each backend leads a session of its own, so the session would not name them.
        server = psutil.Process(self.child.process.pid)
        return [server, *server.children(recursive=True)]


class BreakableValkey:
    """Valkey on a unix socket, or on a port of the loopback interface."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.folder = folder
        self.port = port
        self.socket = private_folder(None) / "valkey.sock"
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0" if self.port else f"unix://{self.socket}"

    def start(self) -> None:
        address = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket), "--save", ""]
        log = self.folder / "valkey.log"
        self.child = start_child(
            "Valkey", [valkey_program(), *address, "--dir", "."], environment={}, folder=self.folder, log=log
        )
        wait_until_ready(self.child, self.answers, within_seconds=20, log=log)

    def limit_memory(self, size: str) -> None:
        """What is full takes nothing more, and forgets nothing; 0 is no limit."""
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", size)

    def answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    def kill(self) -> None:
        """Nobody is told."""
        if self.child:
            kill_session(self.child)

    def revive(self) -> None:
        """At the same address, empty."""
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        if self.child:
            self.child.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        if self.child:
            self.child.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Whatever state it is in."""
        self.kill()
        self.socket.unlink(missing_ok=True)
        self.socket.parent.rmdir()


def kill_session(child: Child) -> None:
    child.process.kill()
    child.process.wait(timeout=10)
    end_all(session_of(child.mark), politely_with=signal.SIGTERM, within_seconds=5)
