"""The operators' command line: its words, its exit codes, what a script can rely on."""

import json
from pathlib import Path

import pytest
from fastapi import APIRouter
from typer.testing import CliRunner

from app import cli
from app.assembly import application
from app.assembly.routes import ROUTERS
from tests.support.commands import STRONG_KEY, for_production, run_app, run_python
from tests.support.doors import router as doors

COMMANDS = ["serve", "worker", "migrate", "config", "routes", "openapi"]
PLANTED = "pl4nted-s3cret"
UNKNOWN = {"LOG_COLOUR": "red"}


def invoke(*arguments: str, **variables: str) -> str:
    """In this process, which is quicker; fails unless the command succeeds."""
    result = CliRunner().invoke(cli.commands, arguments, env=variables, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    text = invoke(command, "--help")

    assert f"{command} [OPTIONS]" in text
    assert len(text.splitlines()) > 5


def test_the_overview_lists_every_command_and_the_exit_codes() -> None:
    text = " ".join(invoke("--help").split())

    assert [command for command in COMMANDS if command not in text] == []
    assert "78 wrong configuration" in text
    assert "69 a server cannot be reached" in text


def test_help_does_not_wait_for_the_service_to_load(tmp_path: Path) -> None:
    heavy = {"alembic", "fastapi", "procrastinate", "pydantic", "sqlalchemy", "structlog", "uvicorn"}

    loaded = run_python("import app.cli, sys; print(*sys.modules)", folder=tmp_path).stdout.split()

    assert "app.cli" in loaded
    assert heavy & set(loaded) == set()


@pytest.mark.parametrize("arguments", [(), ("bogus",), ("config", "--bogus")])
def test_a_wrong_call_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli.commands, arguments).exit_code == 2


def secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": f"{PLANTED}-{STRONG_KEY}",
        "DATABASE_URL": f"postgresql://app:{PLANTED}@localhost/app",
        "REDIS_URL": f"redis://:{PLANTED}@localhost",
        "SENTRY_DSN": f"https://{PLANTED}@sentry.example.com/1",
    }


def test_config_masks_secrets_and_shows_the_rest() -> None:
    text = invoke("config", PORT="8123", **secrets())

    assert PLANTED not in text
    assert "8123" in text


def test_config_cuts_no_value_however_narrow_the_terminal() -> None:
    release = "-".join(["release"] * 20)

    text = invoke("config", COLUMNS="40", SENTRY_RELEASE=release)

    assert any(line.split() == ["SENTRY_RELEASE", release] for line in text.splitlines())


def test_a_value_is_printed_as_it_is() -> None:
    assert "vault:key:[red]read" in invoke("config", SENTRY_RELEASE="vault:key:[red]read")


def test_config_as_json_is_for_scripts() -> None:
    values = json.loads(invoke("config", "--json", CORS_ORIGINS="https://a.example", **secrets()))

    assert values["CORS_ORIGINS"] == ["https://a.example"]
    assert values["PORT"] == 8000
    assert values["SENTRY_RELEASE"] is None
    assert {values[name] for name in secrets()} == {"**********"}


def test_routes_lists_what_is_served() -> None:
    assert "/health/ready" in invoke("routes")


def test_routes_tells_who_may_call_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "ROUTERS", [*ROUTERS, doors])

    lines = invoke("routes", COLUMNS="40").splitlines()
    found = {
        tuple(route["methods"]): route["callers"]
        for route in json.loads(invoke("routes", "--json"))
        if route["path"] == "/v1/doors"
    }

    assert any("/v1/doors/locks" in line and "doors:pass doors:build" in line for line in lines)
    assert found == {("GET",): "doors:pass", ("POST",): "doors:build"}


@pytest.mark.parametrize("command", ["serve", "routes", "openapi"])
def test_a_route_without_a_policy_is_one_sentence_and_nothing_is_served(
    command: str, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def undeclared() -> None:
        pass

    router = APIRouter()
    router.add_api_route("/v1/things", undeclared)
    monkeypatch.setattr(application, "ROUTERS", [*ROUTERS, router])
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SECRET_KEY", STRONG_KEY)
    monkeypatch.setenv("MANAGEMENT_PORT", "0")
    monkeypatch.setattr("sys.argv", ["app", command])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    assert printed.err.startswith("GET /v1/things does not say who may call it: give it a caller")
    assert len(printed.err.splitlines()) == 1


def test_routes_as_json_is_nothing_but_json() -> None:
    found = json.loads(invoke("routes", "--json", **UNKNOWN))

    assert {"methods": ["GET"], "path": "/health/live", "name": "live", "callers": "public"} in found


def test_openapi_prints_nothing_but_the_document() -> None:
    document = json.loads(invoke("openapi", **UNKNOWN))

    assert document["openapi"].startswith("3.")
    assert "/health/ready" in document["paths"]


def test_openapi_prints_the_document_even_where_it_is_not_served() -> None:
    production = for_production("postgresql://app@/app?host=/nowhere")

    assert "/health/ready" in json.loads(invoke("openapi", **production))["paths"]


def test_migrate_brings_an_empty_database_up_to_date(empty_database_url: str) -> None:
    text = invoke("migrate", DATABASE_URL=empty_database_url, SECRET_KEY=STRONG_KEY)

    assert text == "The schema is up to date.\n"


@pytest.mark.parametrize("command", ["serve", "worker", "config", "migrate"])
def test_a_wrong_configuration_is_one_message_and_code_78(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"PORT": "x", "LOG_LEVEL": "loud", "DATABASE_URL": f"mysql://u:{PLANTED}@h/d"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["app", command])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    printed = capsys.readouterr()
    assert ended.value.code == 78
    assert printed.out == ""
    assert [line[:6] for line in printed.err.splitlines()] == ["The co", "  - PO", "  - LO", "  - DA"]
    assert PLANTED not in printed.err


def test_a_database_that_is_gone_is_one_sentence_and_code_69(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:{PLANTED}@/app?host=/nowhere")
    monkeypatch.setenv("SECRET_KEY", STRONG_KEY)
    monkeypatch.setattr("sys.argv", ["app", "migrate"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 69
    said = capsys.readouterr().err
    assert said.startswith("The database cannot be reached at DATABASE_URL (")
    assert "No such file or directory" in said
    assert PLANTED not in said


def test_the_console_script_says_it_as_a_process_too(tmp_path: Path) -> None:
    unreachable = {"DATABASE_URL": f"postgresql://app:{PLANTED}@/app?host=/nowhere", "SECRET_KEY": STRONG_KEY}

    wrong = run_app("config", folder=tmp_path, PORT="x")
    gone = run_app("migrate", folder=tmp_path, **unreachable)

    assert (wrong.exit_code, wrong.stdout) == (78, "")
    assert (gone.exit_code, gone.stdout) == (69, "")
    assert gone.stderr.startswith("The database cannot be reached at DATABASE_URL (")
    assert len(gone.stderr.splitlines()) == 1
