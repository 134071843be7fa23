"""What production refuses to start with, one rule a row."""

from pathlib import Path

import pytest

from app.settings import ConfigurationError, load_settings
from tests.support.commands import STRONG_KEY, for_production

LOCAL_DATABASE = "postgresql://app@/app?host=/run/postgresql"


def configure(patch: pytest.MonkeyPatch, **changes: str) -> None:
    """What production starts with, and the changes."""
    for name, value in {**for_production(LOCAL_DATABASE), "DATABASE_TLS": "", **changes}.items():
        patch.setenv(name, value)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SECRET_KEY", "", "SECRET_KEY is not set"),
        ("SECRET_KEY", STRONG_KEY[:31], "SECRET_KEY is short"),
        ("SECRET_KEY", "ab" * 32, "SECRET_KEY is short, repetitive"),
        ("SECRET_KEY", f"changeme-{STRONG_KEY}", "SECRET_KEY is short, repetitive or a default"),
        ("DEBUG", "true", "DEBUG is on"),
        ("ALLOWED_HOSTS", "", "ALLOWED_HOSTS allows every host"),
        ("ALLOWED_HOSTS", "api.example.com,*", "ALLOWED_HOSTS allows every host"),
        ("CORS_ORIGINS", "https://a.example,*", "CORS_ORIGINS allows every web site"),
        ("TRUSTED_PROXIES", "10.0.0.1,*", "TRUSTED_PROXIES trusts everybody"),
        ("DATABASE_URL", "", "DATABASE_URL is not set"),
        ("DATABASE_URL", "postgresql://app:@/app?host=/run", "DATABASE_URL has a default password"),
        ("DATABASE_URL", "postgresql://app:postgres@/app?host=/run", "DATABASE_URL has a default password"),
        ("DATABASE_URL", "postgresql://app:1x7Qk9@db.example.com/app", "DATABASE_URL may send data in the clear"),
        ("DATABASE_URL", "postgresql://app:1x7Qk9@db/app?sslmode=prefer", "DATABASE_URL may send data in the clear"),
        ("ALLOWED_HOST", "a.example", "ALLOWED_HOST is not a setting: did you mean ALLOWED_HOSTS?"),
        ("MANAGMENT_PORT", "9001", "MANAGMENT_PORT is not a setting: did you mean MANAGEMENT_PORT?"),
        ("SENTRY_DNS", "https://k@h/1", "SENTRY_DNS is not a setting: did you mean SENTRY_DSN?"),
        ("database_url", "x", "database_url is not a setting: did you mean DATABASE_URL?"),
    ],
)
def test_production_refuses(
    variable: str, value: str, sentence: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, **{variable: value})

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert [problem for problem in refused.value.problems if not problem.startswith(sentence)] == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"DATABASE_URL": "postgresql://app:1x7Qk9@db.example.com/app?sslmode=verify-full"},
        {"DATABASE_URL": "postgresql://app:1x7Qk9@db.example.com/app", "DATABASE_TLS": "off"},
        {"DATABASE_UNKNOWN": "warns only"},
        {"CORS_ORIGINS": "https://a.example"},
        {"ALLOWED_HOSTS": "*.example.com"},
    ],
    ids=lambda changes: " ".join(changes) or "the least",
)
def test_production_accepts(changes: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, **changes)

    assert load_settings().is_production


def test_other_environments_start_with_all_of_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unsafe = {"SECRET_KEY": "x", "DEBUG": "1", "ALLOWED_HOSTS": "*", "CORS_ORIGINS": "*", "DATABASE_POOLSIZE": "1"}
    configure(monkeypatch, **unsafe, ENVIRONMENT="staging", DATABASE_URL="postgresql://app:app@db/app")

    assert load_settings().debug
