"""The ports of `make run`: an asked-for one must be free, the default of the management port may give way."""

import socket
from collections.abc import Mapping

from development.errors import DevelopmentError

DEFAULT_PORT = 8000
DEFAULT_MANAGEMENT_PORT = 9000


class PortUnusable(DevelopmentError):
    """A port that was asked for is no port, or somebody else listens on it."""


def choose_ports(variables: Mapping[str, str]) -> dict[str, str]:
    """PORT and MANAGEMENT_PORT as they are to be used."""
    host = variables.get("HOST", "127.0.0.1")
    port = _asked_for("PORT", variables) or DEFAULT_PORT
    if not _is_free(host, port):
        raise PortUnusable(f"Port {port} is taken: stop what uses it, or choose another as in make run PORT=8123.")
    return {"PORT": str(port), "MANAGEMENT_PORT": str(_management_port(host, variables, api_port=port))}


def _management_port(host: str, variables: Mapping[str, str], *, api_port: int) -> int:
    asked_for = _asked_for("MANAGEMENT_PORT", variables)
    port = asked_for or DEFAULT_MANAGEMENT_PORT
    if port != api_port and _is_free(host, port):
        return port
    if asked_for:
        raise PortUnusable(f"MANAGEMENT_PORT {port} is taken: stop what uses it, or choose another.")
    with socket.create_server((host, 0)) as chosen:
        return int(chosen.getsockname()[1])


def _asked_for(name: str, variables: Mapping[str, str]) -> int | None:
    value = variables.get(name)
    if value is None:
        return None
    if not value.isdecimal() or not 0 < int(value) < 2**16:
        raise PortUnusable(f"{name} must be a number from 1 to 65535, and is {value!r}.")
    return int(value)


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        # As servers do it, so that connections in TIME_WAIT don't count.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError:
            return False
    return True
