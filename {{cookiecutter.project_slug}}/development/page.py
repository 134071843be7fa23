"""What `make run` prints once everything is up: where to look, and a line to try."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from development.ports import Ports

# The first is shown with the key.
TO_TRY = [
    "/v1/orders",  # option: example
    "/health/ready",
]
COMMANDS_TO_TRY = [".venv/bin/app jobs list", ".venv/bin/app keys list", ".venv/bin/app breakers list"]

# What those connect to.
NEEDED_BY_COMMANDS = ("DATABASE_URL", "REDIS_URL")

# Where the values stand in a line.
CONTINUED = " " * 14


@dataclass(frozen=True)
class Addresses:
    """What calls what, from this machine."""

    host: str
    ports: Ports

    @property
    def service(self) -> str:
        return f"http://{self.host}:{self.ports.api}"

    @property
    def reference(self) -> str:
        return f"{self.service}/docs"

    @property
    def operators(self) -> str:
        return f"http://{self.host}:{self.ports.management}"

    @property
    def worker(self) -> str:
        return f"http://{self.host}:{self.ports.worker}"


def addresses_of(variables: Mapping[str, str], ports: Ports) -> Addresses:
    host = variables.get("HOST", "127.0.0.1")
    # "Every address" is good for listening, not for calling.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - to compare with, not to listen on
    return Addresses(reachable, ports)


def what_is_where(addresses: Addresses, *, reference: str | None, servers: Mapping[str, str], key: str | None) -> str:
    """`servers` are the addresses of those that were started, by their variables."""
    # A database of the user's own is not printed: its address may hold a password.
    database = servers.get("DATABASE_URL")
    lines = {
        "service": addresses.service,
        **({"reference": reference} if reference else {}),
        "operators": f"{addresses.operators}/metrics",
        "worker": f"{addresses.worker}/metrics",
        "database": f'psql "{database}"' if database else "yours, see DATABASE_URL",
        "commands": _commands(servers),
        **(_key_and_call(addresses, key) if key else {}),
        "stop": "Ctrl-C",
    }
    return "\n".join(["", *(f"  {name:11} {value}" for name, value in lines.items())])


def _commands(servers: Mapping[str, str]) -> str:
    """Lines for a second terminal in the same folder."""
    exports = [f"export {name}={shlex.quote(servers[name])}" for name in NEEDED_BY_COMMANDS if name in servers]
    return f"\n{CONTINUED}".join([*exports, *COMMANDS_TO_TRY])


def _key_and_call(addresses: Addresses, key: str) -> dict[str, str]:
    return {"API key": key, "try": f'curl -H "Authorization: Bearer {key}" {addresses.service}{TO_TRY[0]}'}
