"""The ports of `make run`: an asked-for one must be free, the default of the management port may give way."""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from development.errors import DevelopmentError

DEFAULT_PORT = 8000
DEFAULT_MANAGEMENT_PORT = 9000
HIGHEST_PORT = 65_535


class PortUnusable(DevelopmentError):
    """A port that was asked for is no port, or somebody else listens on it."""


@dataclass(frozen=True)
class Ports:
    """Where the service listens, and the worker, which has nothing but a management port."""

    api: int
    management: int
    worker: int

    @property
    def of_service(self) -> dict[str, str]:
        return {"PORT": str(self.api), "MANAGEMENT_PORT": str(self.management)}

    @property
    def of_worker(self) -> dict[str, str]:
        return self.of_service | {"MANAGEMENT_PORT": str(self.worker)}


def choose_ports(variables: Mapping[str, str]) -> Ports:
    """As they are to be used."""
    host = variables.get("HOST", "127.0.0.1")
    port = _asked_for("PORT", variables) or DEFAULT_PORT
    if not _is_free(host, port):
        raise PortUnusable(f"Port {port} is taken: stop what uses it, or choose another as in make run PORT=8123.")
    management = _management_port(host, variables, api_port=port)
    return Ports(api=port, management=management, worker=_next_free(host, management, not_this=port))


def _management_port(host: str, variables: Mapping[str, str], *, api_port: int) -> int:
    asked_for = _asked_for("MANAGEMENT_PORT", variables)
    port = asked_for or DEFAULT_MANAGEMENT_PORT
    if port != api_port and _is_free(host, port):
        return port
    if asked_for:
        raise PortUnusable(f"MANAGEMENT_PORT {port} is taken: stop what uses it, or choose another.")
    return any_free(host)


def _next_free(host: str, port: int, *, not_this: int) -> int:
    following = (each for each in range(port + 1, HIGHEST_PORT + 1) if each != not_this and _is_free(host, each))
    return next(following, None) or any_free(host)


def any_free(host: str) -> int:
    with socket.create_server((host, 0), family=_family(host)) as chosen:
        return int(chosen.getsockname()[1])


def _asked_for(name: str, variables: Mapping[str, str]) -> int | None:
    value = variables.get(name)
    if value is None:
        return None
    if not value.isdecimal() or not 0 < int(value) <= HIGHEST_PORT:
        raise PortUnusable(f"{name} must be a number from 1 to {HIGHEST_PORT}, and is {value!r}.")
    return int(value)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(_family(host), socket.SOCK_STREAM) as tried:
        # As servers do it, so that connections in TIME_WAIT don't count.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError:
            return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def check_early(project: Path) -> None:
    """Before the first set-up, which takes a minute: whoever has to choose another port hears of it at once.

    Needs nothing but Python. Once there is a `.env` it may name ports, too; then the supervisor looks, as always.
    """
    if not (project / ".env").exists():
        choose_ports({name: value for name, value in os.environ.items() if value})


if __name__ == "__main__":
    try:
        check_early(Path(sys.argv[1] if sys.argv[1:] else "."))
    except PortUnusable as error:
        sys.exit(f"\n{error}")
