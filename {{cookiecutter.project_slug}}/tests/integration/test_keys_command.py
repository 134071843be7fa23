"""`app keys`: keys that work, are shown once and can be taken back."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from app import cli
from app.assembly import application
from app.assembly.routes import ROUTERS
from app.core.ids import new_id
from app.persistence.migrations import migrate
from tests.support.commands import STRONG_KEY, run_app
from tests.support.databases import fetch, options_for
from tests.support.doors import router
from tests.support.revisions import overtake
from tests.support.service import run_service
from tests.support.settings import settings_for


@pytest.fixture(autouse=True)
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service has routes that need scopes."""
    monkeypatch.setattr(application, "ROUTERS", [*ROUTERS, router])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SECRET_KEY", STRONG_KEY)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.commands, ["keys", *arguments])


def succeed(*arguments: str) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def create(*arguments: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(succeed("create", "shop", "--json", *arguments))
    return made


def words(result: Result) -> str:
    """What it says, without the frame around it."""
    return " ".join(result.output.replace("│", " ").split())


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(succeed("list", "--json"))
    return found


def fail(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """As the console script ends it."""
    monkeypatch.setattr("sys.argv", ["app", "keys", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


CHOOSE = "Name what the key may do with --scope, or say --all-scopes."


async def status_for(key: str, database_url: str) -> int:
    async with run_service(settings_for(database_url=database_url)) as service:
        response = await service.client.get("/v1/doors", headers={"Authorization": f"Bearer {key}"})
    return response.status_code


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_every_command_explains_itself(command: str) -> None:
    assert f"keys {command} [OPTIONS]" in succeed(command, "--help")


def test_a_created_key_opens_the_door_until_it_is_revoked(database_url: str) -> None:
    made = create("--scope", "doors:pass")

    before = asyncio.run(status_for(made["key"], database_url))
    said = succeed("revoke", made["prefix"])
    after = asyncio.run(status_for(made["key"], database_url))

    assert (before, after) == (200, 401)
    assert said == f"The key {made['prefix']} is revoked now.\n"


def test_a_new_key_says_all_that_there_is_to_know() -> None:
    tenant = new_id()

    made = create("--scope", "doors:pass", "--tenant", str(tenant), "--expires-in-days", "7")

    expires = datetime.fromisoformat(made["expires"])
    assert made["key"].startswith(f"apikey_{made['prefix']}_")
    assert (made["name"], made["scopes"], made["tenant"]) == ("shop", ["doors:pass"], str(tenant))
    assert timedelta(days=6.9) < expires - datetime.now(UTC) <= timedelta(days=7)


def test_in_words_the_key_stands_alone_and_is_promised_never_to_come_back() -> None:
    said = succeed("create", "shop", "--scope", "doors:pass")

    prefix = said.split("_")[1]
    assert len(said.splitlines()[0]) == 63
    assert "will not be shown again" in said
    assert f"app keys revoke {prefix}" in said
    assert "doors:pass for the tenant " in said


def test_without_a_tenant_each_key_gets_a_new_one() -> None:
    tenants = {UUID(create("--scope", "doors:pass")["tenant"]) for _ in range(2)}

    assert len(tenants) == 2


def test_a_key_lasts_ninety_days_unless_told_otherwise() -> None:
    expires = datetime.fromisoformat(create("--scope", "doors:pass")["expires"])

    assert timedelta(days=89.9) < expires - datetime.now(UTC) <= timedelta(days=90)


def test_all_scopes_are_those_that_routes_need() -> None:
    assert {"doors:build", "doors:pass"} <= set(create("--all-scopes")["scopes"])


def test_the_secret_is_stored_nowhere_and_listed_nowhere(database_url: str) -> None:
    made = create("--scope", "doors:pass")
    secret = made["key"].split("_")[2]

    row = asyncio.run(fetch(database_url, "SELECT api_keys::text FROM api_keys"))[0]

    assert secret not in row
    assert secret not in succeed("list")
    assert secret not in succeed("list", "--json")


def test_the_list_shows_good_and_revoked_keys() -> None:
    first, second = create("--scope", "doors:pass"), create("--all-scopes")
    succeed("revoke", first["prefix"])

    shown = listed()

    assert [key["prefix"] for key in shown] == [first["prefix"], second["prefix"]]
    assert [key["revoked"] is None for key in shown] == [False, True]
    assert shown[1] == {name: value for name, value in second.items() if name != "key"}
    assert second["prefix"] in succeed("list")


@pytest.mark.parametrize("columns", ["40", "80"])
def test_the_list_cuts_nothing_however_narrow_the_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create("--all-scopes")
    monkeypatch.setenv("COLUMNS", columns)

    row = succeed("list").splitlines()[1]

    assert row.split() == [made["prefix"], "shop", made["tenant"], *made["scopes"], made["created"], made["expires"]]


def test_revoking_twice_is_fine_and_says_so() -> None:
    prefix = create("--scope", "doors:pass")["prefix"]
    succeed("revoke", prefix)
    revoked_at = listed()[0]["revoked"]

    again = succeed("revoke", prefix)

    assert again == f"The key {prefix} was revoked before.\n"
    assert listed()[0]["revoked"] == revoked_at


def test_an_unknown_prefix_is_one_sentence_and_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = fail("revoke", "'; DROP TABLE api_keys", monkeypatch=monkeypatch)

    assert code == 1
    assert capsys.readouterr().err == "There is no API key with this prefix: `app keys list` shows them.\n"
    assert listed() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop", "--scope", "doors:smash"], "No route needs doors:smash."),
        (["shop", "--scope", "doors:pass", "--scope", "x"], "No route needs x."),
        (["shop"], CHOOSE),
        (
            ["shop", "--all-scopes", "--scope", "doors:pass"],
            CHOOSE,
        ),
        (["  ", "--all-scopes"], "Give the key a name of 1 to 100 printable characters."),
        (["x" * 101, "--all-scopes"], "Give the key a name of 1 to 100 printable characters."),
        (["a\nb", "--all-scopes"], "Give the key a name of 1 to 100 printable characters."),
        (["shop", "--all-scopes", "--expires-in-days", "0"], "greater than or equal to 1"),
        (["shop", "--all-scopes", "--expires-in-days", "1096"], "less than or equal to 1095"),
        (["shop", "--all-scopes", "--tenant", "acme"], "Input should be a valid UUID"),
    ],
)
def test_a_wrong_argument_is_a_usage_error_that_says_what_is_right(arguments: list[str], said: str) -> None:
    result = invoke("create", *arguments)

    assert result.exit_code == 2
    assert said in words(result)
    assert listed() == []


def test_an_unknown_scope_is_answered_with_the_known_ones() -> None:
    result = invoke("create", "shop", "--scope", "doors:smash")

    assert "doors:build, doors:pass" in words(result)


@pytest.mark.parametrize("arguments", [["create", "shop", "--all-scopes"], ["list"], ["revoke", "x"]])
def test_without_the_schema_it_says_what_to_run(
    arguments: list[str],
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    assert fail(*arguments, monkeypatch=monkeypatch) == 1
    assert capsys.readouterr().err.endswith("run `app migrate`.\n")


@pytest.mark.parametrize("arguments", [["create", "shop", "--all-scopes"], ["list"], ["revoke", "x"]])
def test_without_a_database_it_is_one_sentence_and_code_69(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@/app?host=/nowhere")

    assert fail(*arguments, monkeypatch=monkeypatch) == 69
    printed = capsys.readouterr()
    assert printed.err.startswith("The database cannot be reached at DATABASE_URL (")
    assert printed.out == ""


def test_on_a_newer_schema_a_made_key_is_nothing_but_json(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(migrate(options_for(empty_database_url)))
    overtake(empty_database_url, ["service_9999"])
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    assert create("--scope", "doors:pass")["name"] == "shop"


def test_the_console_script_prints_nothing_but_the_list(database_url: str, tmp_path: Path) -> None:
    made = create("--scope", "doors:pass")

    done = run_app("keys", "list", "--json", folder=tmp_path, DATABASE_URL=database_url, SECRET_KEY=STRONG_KEY)

    assert done.exit_code == 0, done.stderr
    assert [key["prefix"] for key in json.loads(done.stdout)] == [made["prefix"]]
