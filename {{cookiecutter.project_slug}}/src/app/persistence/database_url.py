"""Reads the `DATABASE_URL` that a provider hands out: a plain libpq URL, with no driver's name in it.

asyncpg understands most of libpq's parameters. It takes each one that it does not know for a
setting of the server's, which then refuses the connection, so those are dropped or translated here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

SCHEMES = ("postgres", "postgresql")
LOCAL_HOSTS = ("", "localhost", "127.0.0.1", "::1")
ENCRYPTED_MODES = ("require", "verify-ca", "verify-full")

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


class InvalidDatabaseURL(ValueError):
    """The URL cannot be used; the message says why, without the password."""


@dataclass(frozen=True)
class DatabaseURL:
    """A libpq URL, taken apart as far as we need it."""

    parts: SplitResult
    parameters: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "DatabaseURL":
        """Raises `InvalidDatabaseURL`."""
        try:
            parts = urlsplit(text)
            parameters = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            _ = parts.port if "," not in parts.netloc else None
        except ValueError as error:
            raise InvalidDatabaseURL("is not a URL; percent-encode special characters in the password") from error
        if parts.scheme not in SCHEMES:
            raise InvalidDatabaseURL("must begin with postgresql:// or postgres://, with no driver's name")
        if not parts.path.strip("/") and "dbname" not in parameters:
            raise InvalidDatabaseURL("names no database: end it with /NAME")
        return cls(parts, parameters)

    @property
    def hosts(self) -> list[str]:
        """Where it connects to: names, addresses, or folders of sockets."""
        netloc = self.parts.netloc.rpartition("@")[2]
        listed = self.parameters.get("host") or netloc
        return [host_of(item) for item in listed.split(",")]

    @property
    def has_password(self) -> bool:
        """Whether a password is written in the URL at all."""
        return self.parts.password is not None or "password" in self.parameters

    @property
    def password(self) -> str:
        """The password, decoded; empty if there is none."""
        return unquote(self.parts.password or self.parameters.get("password", ""))

    @property
    def is_plaintext_remote(self) -> bool:
        """Whether data may cross a network unencrypted: the default, `prefer`, gives in to a server without TLS."""
        is_remote = any(host not in LOCAL_HOSTS and not host.startswith(("/", "@")) for host in self.hosts)
        return is_remote and self.parameters.get("sslmode") not in ENCRYPTED_MODES

    def connect_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `asyncpg.connect`."""
        kept = {name: value for name, value in self.parameters.items() if name not in LIBPQ_ONLY}
        arguments: dict[str, Any] = {}
        if seconds := kept.pop("connect_timeout", None):
            arguments["timeout"] = float(seconds)
        if wants_system_trust(kept):
            arguments["ssl"] = True  # asyncpg's word for the system's certificates and a checked host name
            kept.pop("sslmode", None)
            kept.pop("sslrootcert", None)
        return {"dsn": self.parts._replace(query=urlencode(kept)).geturl(), **arguments}


def wants_system_trust(parameters: Mapping[str, str]) -> bool:
    """Whether to check the server against the system's certificates.

    Many providers write `sslmode=verify-full` and no root certificate. libpq would then insist on a
    file in the home folder, which no container has.
    """
    root = parameters.get("sslrootcert")
    return root == "system" or (root is None and parameters.get("sslmode") == "verify-full")


def host_of(item: str) -> str:
    """The host of one `host:port` item, percent-decoded, an IPv6 address without its brackets."""
    if item.startswith("["):
        return item[1:].partition("]")[0]
    return unquote(item.partition(":")[0])
