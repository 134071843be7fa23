"""`DATABASE_URL` as providers write it: what is understood, refused, and passed to the driver."""

import ssl
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args

from app.persistence.database_url import DatabaseURL, InvalidDatabaseURL


@dataclass(frozen=True)
class Target:
    """What asyncpg makes of our arguments."""

    addresses: list[Any]
    database: str = "app"
    user: str = "me"
    password: str | None = None
    settings: dict[str, str] = field(default_factory=dict)


def target_of(url: str) -> Target:
    addresses, parameters = understood(url)
    return Target(
        addresses, parameters.database, parameters.user, parameters.password, parameters.server_settings or {}
    )


def understood(url: str) -> tuple[Any, Any]:
    """The driver's own reading, without connecting."""
    unsaid = dict.fromkeys(parameter for parameter in signature(_parse_connect_dsn_and_args).parameters)
    arguments = {**unsaid, **DatabaseURL.parse(url).connect_arguments()}
    arguments.pop("timeout", None)
    return _parse_connect_dsn_and_args(**arguments)  # type: ignore[no-any-return] # asyncpg ships no types


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("postgresql://me@db.example.com/app", Target([("db.example.com", 5432)])),
        ("postgres://me@db.example.com/app", Target([("db.example.com", 5432)])),
        ("POSTGRES://me@db.example.com:6432/app", Target([("db.example.com", 6432)])),
        ("postgres://me:p%40ss%2F%3A%23%25@db/app", Target([("db", 5432)], password="p@ss/:#%")),
        ("postgres://me@db/app?password=p%2541", Target([("db", 5432)], password="p%41")),
        ("postgres://you:one@db/app?user=me&password=two", Target([("db", 5432)], password="two")),
        ("postgres://me@/app?host=a,b&port=1,2", Target([("a", 1), ("b", 2)])),
        ("postgres://me@/app?host=a,b&port=1", Target([("a", 1), ("b", 1)])),
        ("postgres://me@db/my%20app", Target([("db", 5432)], database="my app")),
        ("postgres://me@db/my%40app", Target([("db", 5432)], database="my@app")),
        ("postgres://me@a,b:6000/app", Target([("a", 5432), ("b", 6000)])),
        ("postgres://me@[2001:db8::1]:6000/app", Target([("2001:db8::1", 6000)])),
        ("postgres://me@[2001:db8::1]/app", Target([("2001:db8::1", 5432)])),
        ("postgres://me@/app?host=/run/db", Target(["/run/db/.s.PGSQL.5432"])),
        ("postgres://me@:6000/app?host=/run/db", Target(["/run/db/.s.PGSQL.6000"])),
        ("postgres://me@/app?host=/run/db&port=6000", Target(["/run/db/.s.PGSQL.6000"])),
        ("postgres://me@%2Frun%2Fdb/app", Target(["/run/db/.s.PGSQL.5432"])),
        ("postgres://me@%2Frun%2Fdb:6000/app", Target(["/run/db/.s.PGSQL.6000"])),
        ("postgres://me@/app?host=2001:db8::1", Target([("2001:db8::1", 5432)])),
        ("postgres://me@elsewhere/app?host=db", Target([("db", 5432)])),
        ("postgres://me@db/?dbname=app", Target([("db", 5432)])),
        ("postgres://me@db/other?dbname=app", Target([("db", 5432)])),
        ("postgres://db/app?user=me&password=pw", Target([("db", 5432)], password="pw")),
        ("postgres://me@db/app?application_name=web", Target([("db", 5432)], settings={"application_name": "web"})),
        (
            "postgres://me@db/app?options=-c%20search_path%3Dmine",
            Target([("db", 5432)], settings={"options": "-c search_path=mine"}),
        ),
        (
            "postgres://me@db/app?channel_binding=prefer&keepalives=1&keepalives_idle=30&tcp_user_timeout=5"
            "&gssencmode=disable&sslsni=1&client_encoding=utf8&fallback_application_name=x&load_balance_hosts=random",
            Target([("db", 5432)]),
        ),
    ],
)
def test_the_driver_is_told_what_libpq_would_understand(url: str, target: Target) -> None:
    told = target_of(url)

    assert told == target


@pytest.mark.parametrize(
    ("query", "mode", "verifies", "checks_name"),
    [
        ("sslmode=require", "require", ssl.CERT_NONE, False),
        ("sslmode=verify-full", "verify_full", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-full&sslrootcert=system", "verify_full", ssl.CERT_REQUIRED, True),
        ("sslrootcert=system", "verify_full", ssl.CERT_REQUIRED, True),
        ("sslmode=prefer", "prefer", ssl.CERT_NONE, False),
        ("", "prefer", ssl.CERT_NONE, False),
    ],
)
def test_encryption_is_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, query: str, mode: str, verifies: int, checks_name: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # a ~/.postgresql of the caller's would count

    _, parameters = understood(f"postgres://me@db/app?{query}".rstrip("?"))

    assert parameters.sslmode.name == mode
    assert parameters.ssl.verify_mode == verifies
    assert parameters.ssl.check_hostname is checks_name


def test_no_encryption_is_as_asked_for() -> None:
    _, parameters = understood("postgres://me@db/app?sslmode=disable")

    assert parameters.ssl is False


def test_a_root_certificate_of_ones_own_is_passed_on() -> None:
    arguments = DatabaseURL.parse(
        "postgres://me@db/app?sslmode=verify-full&sslrootcert=/run/ca.pem"
    ).connect_arguments()

    assert "sslrootcert=%2Frun%2Fca.pem" in arguments["dsn"]
    assert "ssl" not in arguments


@pytest.mark.parametrize(("text", "timeout"), [("7", 7.0), ("0", None)])
def test_the_time_to_connect_becomes_the_drivers(text: str, timeout: float | None) -> None:
    arguments = DatabaseURL.parse(f"postgres://me@db/app?connect_timeout={text}").connect_arguments()

    assert arguments.get("timeout") == timeout
    assert "connect_timeout" not in arguments["dsn"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+asyncpg://me@db/app", "no driver's name"),
        ("postgresql+psycopg://me@db/app", "no driver's name"),
        ("mysql://me@db/app", "must begin with postgresql://"),
        ("db.example.com", "must begin with postgresql://"),
        ("", "must begin with postgresql://"),
        ("postgres://me@db", "names no database"),
        ("postgres://me@db/", "names no database"),
        ("postgres://me@db:port/app", "is not a URL"),
        ("postgres://me@db:70000/app", "is not a URL"),
        ("postgres://me@a:1,b:many/app", "is not a URL"),
        ("postgres://me@db/app?port=many", "is not a URL"),
        ("postgres://me@[::1/app", "is not a URL"),
        ("postgres://me:p@ss@db/app", "an @ or a #"),
        ("postgres://me:p@ss/word@db/app?sslmode=verify-full", "an @ or a #"),
        ("postgres://me@db/app#secret", "an @ or a #"),
        ("postgres://me:pa/ss@db/app", "is not a URL"),
        ("postgres://me@db/app?sslmode", "is not a URL"),
        ("postgres://me@db/app?sslmode=on", "unknown sslmode"),
        ("postgres://me@db/app?connect_timeout=soon", "is not a URL"),
    ],
)
def test_what_can_never_work_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(InvalidDatabaseURL, match=reason):
        DatabaseURL.parse(url)


def test_neither_a_refusal_nor_a_variable_in_a_traceback_shows_the_password() -> None:
    with pytest.raises(InvalidDatabaseURL) as refusal:
        DatabaseURL.parse("postgres://me:hunter22@db:port/app")
    url = DatabaseURL.parse("postgres://me:hunter22@db/app?password=hunter22")

    assert "hunter22" not in str(refusal.value)
    assert "hunter22" not in repr(url)


@pytest.mark.parametrize(
    ("url", "is_plaintext_remote"),
    [
        ("postgres://me@db.example.com/app", True),
        ("postgres://me@db.example.com/app?sslmode=prefer", True),
        ("postgres://me@db.example.com/app?sslmode=allow", True),
        ("postgres://me@db.example.com/app?sslmode=disable", True),
        ("postgres://me@10.0.0.5/app", True),
        ("postgres://me@[2001:db8::1]/app", True),
        ("postgres://me@localhost,db.example.com/app", True),
        ("postgres://me@/app?host=db.example.com", True),
        ("postgres://me@/app?host=2001:db8::1", True),
        ("postgres://me@localhost/app?host=db.example.com", True),
        ("postgres://me@db.example.com/app?sslmode=require", False),
        ("postgres://me@db.example.com/app?sslmode=verify-ca", False),
        ("postgres://me@db.example.com/app?sslmode=verify-full", False),
        ("postgres://me@db.example.com/app?sslrootcert=system", False),
        ("postgres://me@localhost/app", False),
        ("postgres://me@127.0.0.1:5433/app", False),
        ("postgres://me@[::1]:5433/app", False),
        ("postgres://me@/app", False),
        ("postgres://me@/app?host=/run/db", False),
        ("postgres://me@/app?host=::1", False),
        ("postgres://me@%2Frun%2Fdb/app", False),
        ("postgres://me@db.example.com/app?host=/run/db", False),
    ],
)
def test_plaintext_across_a_network_is_noticed(url: str, *, is_plaintext_remote: bool) -> None:
    assert DatabaseURL.parse(url).is_plaintext_remote is is_plaintext_remote


@pytest.mark.parametrize(
    ("url", "has_password", "password"),
    [
        ("postgres://me@db/app", False, ""),
        ("postgres://me:@db/app", True, ""),
        ("postgres://me:p%40ss@db/app", True, "p@ss"),
        ("postgres://me@db/app?password=p%40ss", True, "p@ss"),
        ("postgres://me:one@db/app?password=two", True, "two"),
    ],
)
def test_the_password_is_found_wherever_it_is_written(url: str, *, has_password: bool, password: str) -> None:
    parsed = DatabaseURL.parse(url)

    assert (parsed.has_password, parsed.password) == (has_password, password)
