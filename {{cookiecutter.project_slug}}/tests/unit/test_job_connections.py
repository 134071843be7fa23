"""The worker's listening connection goes where all others go."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from app.jobs.listening import libpq_arguments
from app.persistence.database_url import DatabaseURL
from app.persistence.engine import ConnectionOptions


def arguments(url: str, *, tls_off: bool = False) -> dict[str, str]:
    return libpq_arguments(ConnectionOptions(DatabaseURL.parse(url), application_name="shop", tls_off=tls_off))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:p%40ss%2Fword@db.example.com:5433/shop?sslmode=require",
        "postgres://app@/shop?host=/run/postgresql&port=5433",
        "postgres://app@%2Frun%2Fpostgresql/shop",
        "postgresql://one:5433,two:5434/shop?target_session_attrs=read-write",
        "postgresql://app@[::1]:5432/shop",
        "postgresql://app@ignored/ignored?host=db&dbname=shop&user=other",
        "postgresql://app@db/shop?options=-c%20search_path%3Dshop&sslrootcert=%2Fetc%2Fca.pem&sslmode=verify-full",
    ],
)
def test_it_means_what_the_url_means_to_libpq(url: str) -> None:
    assert arguments(url).items() >= conninfo_to_dict(url).items()


def test_defaults_yield_to_the_url() -> None:
    plain = arguments("postgresql://app@db/shop")
    special = arguments("postgresql://app@db/shop?application_name=mine&connect_timeout=1.5")

    assert (plain["application_name"], plain["connect_timeout"]) == ("shop", "5")
    assert (special["application_name"], special["connect_timeout"]) == ("mine", "2")


def test_verify_full_without_a_certificate_means_the_systems() -> None:
    asked = arguments("postgresql://app@db/shop?sslmode=verify-full")

    assert (asked["sslmode"], asked["sslrootcert"]) == ("verify-full", "system")


def test_tls_off_is_the_last_word() -> None:
    assert arguments("postgresql://app@db/shop?sslmode=prefer", tls_off=True)["sslmode"] == "disable"


def test_what_libpq_does_not_know_is_for_the_server() -> None:
    asked = arguments("postgresql://app@db/shop?options=-c%20a%3D1&search_path=shop")

    assert asked["options"] == "-c a=1 -c search_path=shop"
    assert "search_path" not in asked
