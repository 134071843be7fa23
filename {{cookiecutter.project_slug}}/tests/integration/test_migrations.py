"""The schema: what revisions do, how branches grow, and what each release makes of the other's schema."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from app.core.checks import CheckFailed
from app.persistence.database import open_database
from app.persistence.engine import create_engine
from app.persistence.migrations import MigrationFailed, alembic_config, migrate
from app.persistence.models import NAMING_CONVENTION, Model
from app.persistence.revisions import missing_heads
from app.persistence.schema_check import SchemaCheck
from tests.support.commands import PROJECT, run_python
from tests.support.databases import fetch, options_for
from tests.support.revisions import Release
from tests.support.settings import SECRET_KEY

SCRIPTS = ScriptDirectory.from_config(alembic_config())
REVISIONS = [script.revision for script in SCRIPTS.walk_revisions()][::-1]
REPLICAS = 10


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path)


async def on_connection(url: str, work: Callable[[Connection], Any]) -> Any:
    """What a synchronous function of Alembic's returns."""
    engine = create_engine(options_for(url), pool_size=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


async def stored(url: str) -> list[Any]:
    return sorted(await fetch(url, "SELECT version_num FROM alembic_version"))


async def tables(url: str) -> list[Any]:
    return sorted(await fetch(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))


# A replica is a process: Alembic keeps what it is doing in the process' own variables.
MIGRATE = """
import asyncio
from pathlib import Path
from app.persistence import migrations
from tests.support.databases import options_for
from tests.support.switched_off import switch_off_what_is_asked

switch_off_what_is_asked()
migrations.FOLDER = Path({folder!r})
asyncio.run(migrations.migrate(options_for({url!r})))
"""

ALEMBIC_CHECK = "from alembic.config import main; main(argv=['check'])"


def test_there_are_two_branches_with_one_head_each() -> None:
    labels = [set(SCRIPTS.get_revision(head).branch_labels) for head in SCRIPTS.get_heads()]

    assert sorted(labels, key=min) == [{"platform"}, {"service"}]


def test_each_revision_lives_in_the_folder_of_its_branch() -> None:
    folders = {script.revision: Path(script.path).parent.name for script in SCRIPTS.walk_revisions()}

    branches = {revision: SCRIPTS.get_revision(revision).branch_labels for revision in folders}
    assert all(folder in branches[revision] for revision, folder in folders.items())


@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_revision_goes_up_down_and_up_again(empty_database_url: str, revision: str) -> None:
    def there_and_back(connection: Connection) -> tuple[Any, Any]:
        config = alembic_config(connection)
        command.upgrade(config, revision)
        first = columns(connection)
        command.downgrade(config, "base")
        assert columns(connection) == {}
        command.upgrade(config, revision)
        return first, columns(connection)

    first, again = await on_connection(empty_database_url, there_and_back)

    assert first == again


def columns(connection: Connection) -> dict[str, list[str]]:
    found = inspect(connection)
    names = [name for name in found.get_table_names() if name != "alembic_version"]
    return {name: sorted(f"{column['name']} {column['type']}" for column in found.get_columns(name)) for name in names}


async def test_autogenerate_finds_nothing_to_do(empty_database_url: str) -> None:
    await migrate(options_for(empty_database_url))

    # Raises when it finds a difference.
    await on_connection(empty_database_url, lambda connection: command.check(alembic_config(connection)))

    assert await stored(empty_database_url)


def test_alembic_in_a_process_of_its_own_finds_nothing_to_do_either(worker_database_url: str) -> None:
    """This process has imported every feature already, whatever `assembly/models.py` lists."""
    variables = {"DATABASE_URL": worker_database_url, "SECRET_KEY": SECRET_KEY}

    checked = run_python(ALEMBIC_CHECK, folder=PROJECT, **variables)

    assert "No new upgrade operations detected" in checked.stdout
    assert checked.exit_code == 0


async def test_every_constraint_is_named_by_the_convention(empty_database_url: str) -> None:
    await migrate(options_for(empty_database_url))

    named = await fetch(
        empty_database_url,
        "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'f', 'p', 'u') AND conname !~ '^(ck|fk|pk|uq)_'"
        " AND connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass"
        " AND conrelid::regclass::text NOT LIKE 'procrastinate%'",
    )

    assert named == []
    assert Model.metadata.naming_convention == NAMING_CONVENTION


@pytest.mark.timeout(200)
def test_ten_replicas_that_start_together_migrate_once(empty_database_url: str, release: Release) -> None:
    release.add("slow", branch="service")
    release.edit("slow", old="(id int PRIMARY KEY)", new="AS SELECT 1 AS id FROM pg_sleep(1.5)")
    script = MIGRATE.format(folder=str(release.folder), url=empty_database_url)

    with ThreadPoolExecutor(REPLICAS) as pool:
        ended = list(pool.map(lambda _: run_python(script, folder=PROJECT).exit_code, range(REPLICAS)))

    assert ended == [0] * REPLICAS
    assert "slow" in asyncio.run(stored(empty_database_url))


async def test_replicas_that_wait_do_not_block_an_index_built_concurrently(
    empty_database_url: str, release: Release
) -> None:
    release.add("indexed", branch="service")
    release.edit(
        "indexed",
        old="\n\n\ndef downgrade",
        new="\n    with op.get_context().autocommit_block():"
        "\n        op.execute('CREATE INDEX CONCURRENTLY ix_indexed ON indexed (id)')\n\n\ndef downgrade",
    )

    with pytest.MonkeyPatch.context() as patch:
        release.use(patch)
        async with asyncio.timeout(20):
            await asyncio.gather(*(migrate(options_for(empty_database_url)) for _ in range(3)))

    assert "indexed" in await stored(empty_database_url)


async def test_a_revision_that_fails_leaves_those_before_it(empty_database_url: str, release: Release) -> None:
    release.add("good", branch="service").add("bad", branch="service")
    release.edit("bad", old="id int", new="id no_such_type")

    with pytest.MonkeyPatch.context() as patch:
        release.use(patch)
        with pytest.raises(MigrationFailed, match=r'type "no_such_type" does not exist \(CREATE TABLE bad'):
            await migrate(options_for(empty_database_url))

    assert await stored(empty_database_url) == ["good"]
    assert "good" in await tables(empty_database_url)


async def test_a_service_without_the_sample_takes_a_later_platform_revision(
    empty_database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.use(monkeypatch)
    while release.head("service") != "service_0001":
        release.without(release.head("service"))
    await migrate(options_for(empty_database_url))

    release.add("platform_later", branch="platform")
    await migrate(options_for(empty_database_url))

    assert "platform_later" in await tables(empty_database_url)
    assert await stored(empty_database_url) == ["platform_later", "service_0001"]
    await SchemaProbe(empty_database_url).passes()


async def test_a_service_with_its_own_revisions_takes_a_later_platform_revision(
    empty_database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.use(monkeypatch)
    release.add("ours", branch="service")
    await migrate(options_for(empty_database_url))

    release.add("platform_later", branch="platform").add("ours_later", branch="service", depends_on="platform_later")
    await migrate(options_for(empty_database_url))

    assert {"ours", "ours_later", "platform_later"} <= set(await tables(empty_database_url))
    # Alembic drops the row of a revision that another one depends on.
    assert await stored(empty_database_url) == ["ours_later"]
    await SchemaProbe(empty_database_url).passes()


class SchemaProbe:
    """Asks as the health report of a fresh process does."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def passes(self) -> None:
        database = open_database(options_for(self.url), pool_size=1, wait_seconds=1)
        try:
            await SchemaCheck(database).probe()
        finally:
            await database.close()


@pytest.mark.parametrize("branches", [["platform"], ["service"], ["platform", "service"]])
async def test_this_release_serves_on_the_schema_of_the_next_and_not_the_other_way_round(
    empty_database_url: str, tmp_path: Path, branches: list[str]
) -> None:
    await migrate(options_for(empty_database_url))
    with pytest.MonkeyPatch.context() as patch:
        following = Release(tmp_path)
        for branch in branches:
            following.add(f"{branch}_following", branch=branch)
        following.use(patch)

        with pytest.raises(CheckFailed, match="behind this release"):
            await SchemaProbe(empty_database_url).passes()
        await migrate(options_for(empty_database_url))
        await SchemaProbe(empty_database_url).passes()

    await SchemaProbe(empty_database_url).passes()


@pytest.mark.parametrize("lacking", ["platform", "service"])
async def test_it_is_not_ready_while_one_branch_is_behind_and_the_other_is_ahead(
    empty_database_url: str, tmp_path: Path, lacking: str
) -> None:
    """A newer process migrated the one branch; nobody has run our revision of the other."""
    other = {"platform": "service", "service": "platform"}[lacking]
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = Release(tmp_path / "old").add("base_one", branch=lacking).add("theirs", branch=other)
    new = Release(tmp_path / "new").add("base_one", branch=lacking).add("base_two", branch=lacking)

    with pytest.MonkeyPatch.context() as patch:
        old.use(patch)
        await migrate(options_for(empty_database_url))
        new.use(patch)
        with pytest.raises(CheckFailed, match="base_two"):
            await SchemaProbe(empty_database_url).passes()


async def test_an_empty_database_is_behind_and_the_message_says_what_to_do(empty_database_url: str) -> None:
    with pytest.raises(CheckFailed, match=r"is behind this release \(.+\): run `app migrate`\."):
        await SchemaProbe(empty_database_url).passes()


@pytest.mark.parametrize(
    ("applied", "missing"),
    [
        ([], ["platform_2", "service_2"]),
        (["platform_1"], ["platform_2", "service_2"]),
        (["service_1"], ["platform_2", "service_2"]),  # depends on platform_1, whose row is gone
        (["platform_2"], ["service_2"]),
        (["service_2"], ["platform_2"]),
        (["platform_2", "service_1"], ["service_2"]),
        (["platform_2", "service_2"], []),
        (["service_2", "unknown"], []),
        (["platform_2", "unknown"], []),
        (["unknown"], []),
        (["unknown", "other"], []),
        (["service_1", "unknown"], ["service_2"]),
        (["platform_1", "unknown"], ["platform_2"]),
    ],
)
def test_what_is_missing(two_by_two: Release, *, applied: list[str], missing: list[str]) -> None:
    assert sorted(missing_heads(two_by_two.scripts, applied)) == missing


@pytest.fixture
def two_by_two(release: Release) -> Release:
    """A release with two revisions a branch; service_1 depends on platform_1."""
    for script in [*release.scripts.walk_revisions()]:
        Path(script.path).unlink()
    for branch, depends_on in (("platform", None), ("service", "platform_1")):
        release.begin(f"{branch}_1", branch=branch, depends_on=depends_on)
        release.add(f"{branch}_2", branch=branch)
    return release
