"""Reads the `DATABASE_URL` that a provider hands out: a plain libpq URL, with no driver's name in it.

asyncpg understands most of libpq's parameters. It takes each one that it does not know for a
setting of the server's, which then refuses the connection, so those are dropped or translated here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

SCHEMES = ("postgres", "postgresql")
LARGEST_PORT = 65535
LOCAL_HOSTS = ("", "localhost", "127.0.0.1", "::1")
ENCRYPTED_MODES = ("require", "verify-ca", "verify-full")
SSL_MODES = ("disable", "allow", "prefer", *ENCRYPTED_MODES)

# libpq's own business: nothing to the server, and asyncpg has no such knob.
LIBPQ_ONLY = frozenset(
    {"channel_binding", "gssencmode", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"}
    | {
        "tcp_user_timeout",
        "load_balance_hosts",
        "sslsni",
        "sslcompression",
        "client_encoding",
        "fallback_application_name",
    }
)

# What these name is a file; `system` is none.
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")

# libpq's name for each, and asyncpg's.
OVERRULING = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}


class InvalidDatabaseURL(ValueError):
    """The URL cannot be used; the message says why, without the password."""


@dataclass(frozen=True)
class DatabaseURL:
    """A libpq URL, taken apart as far as we need it."""

    # Not in the repr: tracebacks that show variables would show the password.
    parts: SplitResult = field(repr=False)
    parameters: dict[str, str] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "DatabaseURL":
        """Raises `InvalidDatabaseURL`."""
        try:
            parts = urlsplit(text)
            parameters = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            ports = [port_of(item) for item in server_of(parts).split(",")]
            ports += [port_of(f":{port}") for port in parameters.get("port", "").split(",")]
            _ = float(parameters.get("connect_timeout", "0"))
        except ValueError as error:
            raise InvalidDatabaseURL("is not a URL; percent-encode special characters in the password") from error
        refuse_unusable(parts, parameters)
        if "host" in parameters and ports[0]:
            parameters.setdefault("port", ports[0])
        return cls(parts, parameters)

    @property
    def hosts(self) -> list[str]:
        """Where it connects to: names, addresses, or folders of sockets."""
        if "host" in self.parameters:
            return self.parameters["host"].split(",")
        return [host_of(item) for item in server_of(self.parts).split(",")]

    @property
    def has_password(self) -> bool:
        """Whether a password is written in the URL at all."""
        return self.parts.password is not None or "password" in self.parameters

    @property
    def password(self) -> str:
        """The password, decoded; empty if there is none."""
        return self.parameters.get("password") or unquote(self.parts.password or "")

    @property
    def is_plaintext_remote(self) -> bool:
        """Whether data may cross a network unencrypted: the default, `prefer`, gives in to a server without TLS."""
        is_remote = any(host not in LOCAL_HOSTS and not host.startswith(("/", "@")) for host in self.hosts)
        is_encrypted = self.parameters.get("sslmode") in ENCRYPTED_MODES or self.trusts_system
        return is_remote and not is_encrypted

    @property
    def trusts_system(self) -> bool:
        """Whether the server is checked against the system's certificates."""
        return wants_system_trust(self.parameters)

    @property
    def files(self) -> list[Path]:
        """Certificates and keys that a connection needs."""
        named = [self.parameters[name] for name in FILES if name in self.parameters]
        return [Path(name) for name in named if name != "system"]

    def connect_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `asyncpg.connect`."""
        kept = {name: value for name, value in self.parameters.items() if name not in LIBPQ_ONLY}
        arguments: dict[str, Any] = {}
        if (seconds := float(kept.pop("connect_timeout", "0"))) > 0:
            arguments["timeout"] = seconds
        if wants_system_trust(kept):
            arguments["ssl"] = True  # asyncpg's word for the system's certificates and a checked host name
            kept.pop("sslmode", None)
            kept.pop("sslrootcert", None)
        arguments |= overruling(kept)
        return {"dsn": self.parts._replace(query=urlencode(kept)).geturl(), **arguments}

    def libpq_arguments(self, known: Collection[str]) -> dict[str, str]:
        """Keyword arguments for `psycopg.connect`, whose libpq has the `known` options; what else the URL
        names is for the server, as with asyncpg.
        """
        servers = server_of(self.parts).split(",")
        ports = [port_of(item) for item in servers]
        login = {"user": unquote(self.parts.username or ""), "password": unquote(self.parts.password or "")}
        place = {"host": ",".join(map(host_of, servers)), "port": ",".join(ports) if any(ports) else ""}
        named = {**login, **place, "dbname": unquote(self.parts.path.strip("/")), **self.parameters}
        arguments = {name: value for name, value in named.items() if value and name in known}
        settings = [f"-c {name}={value}" for name, value in self.parameters.items() if name not in known]
        if settings:
            arguments["options"] = " ".join([self.parameters.get("options", ""), *settings]).strip()
        if "connect_timeout" in arguments:
            arguments["connect_timeout"] = str(ceil(float(arguments["connect_timeout"])))  # libpq knows whole seconds
        return arguments | ({"sslmode": "verify-full", "sslrootcert": "system"} if self.trusts_system else {})


def refuse_unusable(parts: SplitResult, parameters: Mapping[str, str]) -> None:
    """Raises `InvalidDatabaseURL`."""
    if parts.scheme not in SCHEMES:
        raise InvalidDatabaseURL("must begin with postgresql:// or postgres://, with no driver's name")
    if parts.netloc.count("@") > 1 or "@" in parts.path or parts.fragment:
        raise InvalidDatabaseURL("has an @ or a # too many; percent-encode special characters in the password")
    if not parts.path.strip("/") and "dbname" not in parameters:
        raise InvalidDatabaseURL("names no database: end it with /NAME")
    if parameters.get("sslmode", "prefer") not in SSL_MODES:
        raise InvalidDatabaseURL(f"has an unknown sslmode; use one of {', '.join(SSL_MODES)}")


def wants_system_trust(parameters: Mapping[str, str]) -> bool:
    """Whether to check the server against the system's certificates.

    Many providers write `sslmode=verify-full` and no root certificate. libpq would then insist on a
    file in the home folder, which no container has.
    """
    root = parameters.get("sslrootcert")
    return root == "system" or (root is None and parameters.get("sslmode") == "verify-full")


def overruling(parameters: dict[str, str]) -> dict[str, Any]:
    """Takes out what the URL's other parts say too: libpq lets the parameter win, asyncpg only an argument."""
    arguments: dict[str, Any] = {OVERRULING[name]: parameters.pop(name) for name in OVERRULING if name in parameters}
    if "host" in arguments:
        arguments["host"] = arguments["host"].split(",")
    if "port" in arguments:
        arguments["port"] = [int(port) for port in arguments["port"].split(",")]
    return arguments


def server_of(parts: SplitResult) -> str:
    """What stands between the login and the path: `host:port`, or several of them."""
    return parts.netloc.rpartition("@")[2]


def host_of(item: str) -> str:
    """The host of one `host:port` item, percent-decoded, an IPv6 address without its brackets."""
    if item.startswith("["):
        return item[1:].partition("]")[0]
    return unquote(item.partition(":")[0])


def port_of(item: str) -> str:
    """The port of one `host:port` item, or nothing. Raises `ValueError`."""
    port = item.rpartition("]")[2].rpartition(":")[2] if ":" in item.rpartition("]")[2] else ""
    if port and not 0 < int(port) <= LARGEST_PORT:
        raise ValueError(port)
    return port
