"""Where settings come from, which source wins, and what a value may look like."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import ConfigurationError, essentials, load_settings
from app.settings.sections import known_names
from tests.support.commands import for_production

Put = Callable[[Path, pytest.MonkeyPatch, str], None]


def put_into_environment(_folder: Path, patch: pytest.MonkeyPatch, value: str) -> None:
    patch.setenv("SENTRY_RELEASE", value)


def put_into_named_file(folder: Path, patch: pytest.MonkeyPatch, value: str) -> None:
    (folder / "release.txt").write_text(f"{value}\n")
    patch.setenv("SENTRY_RELEASE_FILE", str(folder / "release.txt"))


def put_into_secrets_folder(folder: Path, _patch: pytest.MonkeyPatch, value: str) -> None:
    (folder / "secrets" / "SENTRY_RELEASE").write_text(f"{value}\n")


def put_into_dotenv(folder: Path, _patch: pytest.MonkeyPatch, value: str) -> None:
    (folder / ".env").write_text(f"SENTRY_RELEASE={value}\n")


NO_HOSTS = ("https://api.example.com", "api.example.com:443", "api.example.com/", ".example.com", "*example.com", "::1")
NO_ORIGINS = (
    "nonsense",
    "x.example",
    "https://x.example/",
    "https://x.example/app",
    "https://X.example",
    "https://x.example:443",
    "http://x.example:80",
    "null",
)


STRONGEST_FIRST = [put_into_environment, put_into_named_file, put_into_secrets_folder, put_into_dotenv]


@pytest.mark.parametrize("put", STRONGEST_FIRST)
def test_a_value_is_read_from_each_source(put: Put, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, monkeypatch, "r1")

    assert load_settings().sentry.release == "r1"


@pytest.mark.parametrize("strongest", range(len(STRONGEST_FIRST)))
def test_the_strongest_source_wins(strongest: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, put in enumerate(STRONGEST_FIRST[strongest:]):
        put(folder, monkeypatch, "strongest" if place == 0 else "weaker")

    assert load_settings().sentry.release == "strongest"


def test_sources_complete_each_other_within_one_section(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOL_SIZE", "7")
    (folder / "secrets" / "DATABASE_URL").write_text("postgresql://a@localhost/b")
    (folder / ".env").write_text("DATABASE_POOL_SIZE=3\nDATABASE_POOL_WAIT_SECONDS=4\n")

    database = load_settings().database

    assert (database.pool_size, database.pool_wait_seconds) == (7, 4)
    assert database.url is not None


def test_files_in_the_folder_of_secrets_may_have_lower_case_names(folder: Path) -> None:
    (folder / "secrets" / "sentry_release").write_text("r1")

    assert load_settings().sentry.release == "r1"


@pytest.mark.parametrize("environment", ["test", "staging"])
def test_dotenv_is_ignored_outside_development(environment: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    (folder / ".env").write_text("LOG_LEVEL=ERROR\n")

    assert load_settings().log.level == "INFO"


def test_dotenv_is_ignored_when_a_file_says_that_this_is_not_development(folder: Path) -> None:
    (folder / "secrets" / "ENVIRONMENT").write_text("staging\n")
    (folder / ".env").write_text("LOG_LEVEL=ERROR\n")

    settings = load_settings()

    assert (settings.environment, settings.log.level) == ("staging", "INFO")


def test_dotenv_cannot_make_a_process_production(folder: Path) -> None:
    (folder / ".env").write_text("ENVIRONMENT=production\n")

    with pytest.raises(ConfigurationError, match=r"ENVIRONMENT is set in \.env"):
        load_settings()


def test_an_empty_value_counts_as_unset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in known_names():
        monkeypatch.setenv(name, "")
    (folder / ".env").write_text("PORT=8123\n")

    settings = load_settings()

    assert (settings.port, settings.log.level, settings.secret_key) == (8123, "INFO", None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("10.0.0.1", ["10.0.0.1"]), (" 10.0.0.1 , 10.0.0.2,, ", ["10.0.0.1", "10.0.0.2"]), (",", [])],
)
@pytest.mark.parametrize("name", ["ALLOWED_HOSTS", "TRUSTED_PROXIES"])
def test_lists_are_written_with_commas(
    name: str, written: str, meant: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, written)

    settings = load_settings()

    lists = {
        "ALLOWED_HOSTS": settings.allowed_hosts,
        "TRUSTED_PROXIES": settings.trusted_proxies,
    }
    assert lists[name] == meant


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        *(("ALLOWED_HOSTS", value, "is no host name: write it without scheme, port and path") for value in NO_HOSTS),
        *(("CORS_ORIGINS", value, "is no origin: write scheme and host in lower case") for value in NO_ORIGINS),
    ],
)
def test_what_no_request_could_ever_match_is_refused(
    name: str, value: str, sentence: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    [problem] = refused.value.problems
    assert problem.startswith(f"{name}: {value!r} {sentence}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("ALLOWED_HOSTS", value) for value in ("*", "API.example.com", "*.example.com", "my_service", "[::1]")),
        *(
            ("CORS_ORIGINS", value)
            for value in ("*", "https://x.example", "http://[::1]:3000", "https://x.example:444")
        ),
        ("CORS_ORIGINS", "capacitor://localhost"),
    ],
)
def test_what_requests_can_match_is_accepted(
    name: str, value: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    settings = load_settings()

    assert {"ALLOWED_HOSTS": settings.allowed_hosts, "CORS_ORIGINS": settings.cors.origins}[name] == [value]


@pytest.mark.parametrize("name", ["DATABASE", "REDIS", "LOG", "SENTRY", "DOCS", "CORS", "SHUTDOWN", "MANAGEMENT"])
def test_a_variable_called_like_a_section_changes_nothing(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_settings()
    monkeypatch.setenv(name, "foo")

    assert load_settings() == before


def test_the_address_of_a_kubernetes_service_is_no_port_of_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANAGEMENT_PORT", "tcp://10.0.0.7:80")

    assert load_settings().management.port == 9000


def test_a_file_that_is_named_and_missing_is_a_problem(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", "/nowhere")

    with pytest.raises(ConfigurationError, match="SECRET_KEY_FILE names /nowhere, which is not a readable text file"):
        load_settings()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None], ids=["no text", "a folder"])
def test_a_file_that_cannot_be_read_as_text_is_a_problem(
    content: bytes | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = folder / "secret"
    secret.mkdir() if content is None else secret.write_bytes(content)
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))

    with pytest.raises(ConfigurationError, match="SECRET_KEY_FILE names"):
        load_settings()


def test_every_problem_is_listed_in_one_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "ENVIRONMENT": "production",
        "PORT": "eighty",
        "LOG_LEVEL": "loud",
        "DATABASE_URL": "mysql://u@h/d",
        "DATABASE_POOL_SIZE": "0",
        "REDIS_URL": "http://h",
        "REDIS_URL_FILE": "/nowhere",
        "SENTRY_DSN": "sentry.example.com",
        "DEBUG": "true",
        "CORS_ORIGINS": "*",
        "DATABASE_POOLSIZE": "5",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    mentioned = [problem.partition(" ")[0].rstrip(":") for problem in refused.value.problems]
    assert sorted(mentioned) == sorted([*(wrong.keys() - {"ENVIRONMENT"}), "SECRET_KEY", "ALLOWED_HOSTS"])
    assert all(problem in str(refused.value) for problem in refused.value.problems)


PLANTED = "pl4nted"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"postgresql+asyncpg://app:{PLANTED}@db/app"),
        ("DATABASE_URL", f"postgresql://app:{PLANTED}@db:port/app"),
        ("DATABASE_URL", f"postgresql://app:x[{PLANTED}@db/app"),
        ("DATABASE_URL", f"postgresql://app:{PLANTED}@db"),
        ("DATABASE_URL", f"postgresql://app@db/app?password={PLANTED}&sslmode=perhaps"),
        ("REDIS_URL", f"tcp://:{PLANTED}@redis:6379"),
        ("REDIS_URL", f"redis://:{PLANTED}#x@redis:port"),
        ("REDIS_URL", f"redis://:{PLANTED}@redis:{PLANTED}"),
        ("REDIS_URL", f"redis://:x[{PLANTED}@redis"),
        ("REDIS_URL", PLANTED),
        ("SENTRY_DSN", f"https://{PLANTED}@sentry.example.com"),
        ("SENTRY_DSN", PLANTED),
    ],
)
@pytest.mark.parametrize("environment", ["development", "production"])
def test_the_message_never_shows_a_secret(
    environment: str, name: str, value: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert name in str(refused.value)
    assert PLANTED not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://r:6379/0",
        "rediss://:p%2Fw@r",
        "unix:///run/redis.sock",
        "unix://:p@/s?db=1",
        "redis://r/",
        "rediss://r/1?ssl_ca_certs=/ca.pem",
    ],
)
def test_redis_may_be_anywhere(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    found = load_settings().redis.url

    assert found is not None
    assert found.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://r?foo=pl4nted", "an option that its client does not know"),
        ("redis://r?db=pl4nted", "an option that its client does not know"),
        ("redis://r?ssl_ca_certs=pl4nted", "an option that its client does not know"),
        ("rediss://r?ssl_cert_reqs=pl4nted", "an option that its client does not know"),
        ("redis://r?socket_timeout=60", "REDIS_TIMEOUT_SECONDS"),
        ("redis://r?max_connections=1", "REDIS_POOL_SIZE"),
        ("redis://r/pl4nted", "a database that is no number"),
        ("redis://r/0/pl4nted", "a database that is no number"),
    ],
)
def test_what_redis_would_not_understand_is_refused(
    url: str, sentence: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    with pytest.raises(ConfigurationError, match=f"REDIS_URL: .*{sentence}") as refused:
        load_settings()

    assert PLANTED not in str(refused.value)


def test_redis_without_any_time_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_TIMEOUT_SECONDS", "0")

    with pytest.raises(ConfigurationError, match=r"REDIS_TIMEOUT_SECONDS: .*greater than 0"):
        load_settings()


def test_two_ports_that_are_the_same_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANAGEMENT_PORT", "8000")

    with pytest.raises(ConfigurationError, match="PORT and MANAGEMENT_PORT are the same"):
        load_settings()


def test_what_nothing_can_run_without_is_asked_for_at_once(folder: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        essentials(load_settings())

    assert [problem.partition(" ")[0] for problem in refused.value.problems] == ["DATABASE_URL", "SECRET_KEY"]


@pytest.mark.parametrize("level", ["warning", "Warning", "WARNING"])
def test_the_case_of_a_level_does_not_matter(level: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)

    assert load_settings().log.level == "WARNING"


@pytest.mark.parametrize(
    ("environment", "enabled", "shown"),
    [
        ("development", "", True),
        ("staging", "", True),
        ("production", "", False),
        ("production", "true", True),
        ("development", "false", False),
    ],
)
def test_the_reference_is_shown_everywhere_but_in_production_unless_said_otherwise(
    environment: str, enabled: str, *, shown: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in for_production("postgresql://app@/app?host=/run").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv("DOCS_ENABLED", enabled)

    assert load_settings().shows_docs is shown
