"""`app migrate` as operators run it: after a rollback, beside others, and when it cannot go on."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.persistence import migrations
from app.persistence.errors import DatabaseUnavailable
from app.persistence.migrations import ADVISORY_LOCK, MigrationFailed, migrate
from tests.support.commands import APP, STRONG_KEY, Finished, run_app
from tests.support.databases import connection_to, execute, fetch, options_for
from tests.support.revisions import overtake, write_down
from tests.support.running_app import started

LOCK = f"SELECT pg_advisory_lock({ADVISORY_LOCK})"
OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}"  # noqa: S608 - our own words
UNLOCK = f"SELECT pg_advisory_unlock({ADVISORY_LOCK})"


@pytest.fixture
def url(empty_database_url: str) -> str:
    """A database with the schema of this release."""
    asyncio.run(migrate(options_for(empty_database_url)))
    return empty_database_url


def run(url: str, *arguments: str, folder: Path) -> Finished:
    return run_app(*arguments, folder=folder, DATABASE_URL=url, SECRET_KEY=STRONG_KEY)


@pytest.mark.parametrize("newer", [["platform_9999"], ["service_9999"], ["platform_9999", "service_9999"]])
def test_after_a_rollback_there_is_nothing_to_do(url: str, newer: list[str], tmp_path: Path) -> None:
    overtake(url, newer)

    done = run(url, "migrate", folder=tmp_path)

    said = f"The schema is ahead of this release ({', '.join(newer)}); nothing to do.\n"
    assert (done.exit_code, done.stdout, done.stderr) == (0, said, "")


def test_a_release_leaves_a_schema_alone_that_is_ahead_of_it(url: str) -> None:
    overtake(url, ["service_9999"])

    done = CliRunner().invoke(cli.commands, ["migrate"], env={"DATABASE_URL": url, "SECRET_KEY": STRONG_KEY})

    assert (done.exit_code, asyncio.run(fetch(url, "SELECT version_num FROM alembic_version"))) == (0, ["service_9999"])


def test_a_schema_that_is_ahead_and_behind_is_left_alone_and_a_sentence_says_what_to_do(
    url: str, tmp_path: Path
) -> None:
    execute(url, "DELETE FROM alembic_version")
    write_down(url, ["platform_0001", "service_9999"])

    done = run(url, "migrate", folder=tmp_path)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("The schema has what this release does not know (service_9999) and lacks what")
    assert done.stderr.endswith("; nothing was done. Run `app migrate` of a release that has both.\n")


def test_what_postgresql_refuses_is_a_sentence(url: str, tmp_path: Path) -> None:
    execute(url, "DELETE FROM alembic_version")

    done = run(url, "migrate", folder=tmp_path)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("The migration failed; the revisions before stand. ")
    assert "already exists (CREATE " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("keys", "list"), ("jobs", "list"), ("jobs", "stats")])
def test_on_a_newer_schema_json_is_nothing_but_json(url: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    overtake(url, ["service_9999"])

    done = run(url, *arguments, "--json", folder=tmp_path)

    assert (done.exit_code, done.stderr) == (0, "")
    assert not json.loads(done.stdout), "there is nothing yet"


async def test_whoever_finds_another_migrating_says_so_once_and_goes_on_after_it(
    empty_database_url: str, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": empty_database_url, "SECRET_KEY": STRONG_KEY}
    async with connection_to(empty_database_url) as other, asyncio.timeout(50):
        await other.execute(LOCK)
        with started([str(APP), "migrate"], folder=tmp_path, environment=environment) as process:
            assert process.stdout
            first = await asyncio.to_thread(process.stdout.readline)
            await other.execute(UNLOCK)
            rest = await asyncio.to_thread(process.stdout.read)
            exit_code = await asyncio.to_thread(process.wait)

    assert first == "Another process migrates this database; waiting for it.\n"
    assert (rest, exit_code) == ("The schema is up to date.\n", 0)


async def test_a_database_that_is_lost_meanwhile_is_no_migration_that_failed(empty_database_url: str) -> None:
    cutting: list[asyncio.Task[str]] = []

    async with connection_to(empty_database_url) as other, asyncio.timeout(20):
        await other.execute(LOCK)
        with pytest.raises(DatabaseUnavailable):
            await migrate(
                options_for(empty_database_url), on_wait=lambda: cutting.append(asyncio.create_task(other.execute(CUT)))
            )
        await asyncio.gather(*cutting)


def test_what_a_server_quotes_of_a_row_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise MigrationFailed('The migration failed. invalid input syntax for type integer: "jane@example.com"')

    monkeypatch.setattr(cli, "commands", fail)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == 'The migration failed. invalid input syntax for type integer: "[redacted]"\n'


async def test_whoever_waits_for_too_long_gives_up_and_says_what_to_do(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0.3)

    async with connection_to(empty_database_url) as other, asyncio.timeout(20):
        await other.execute(LOCK)
        with pytest.raises(MigrationFailed, match="end it if it hangs, and run `app migrate` again"):
            await migrate(options_for(empty_database_url))
