"""`make run` keeps one API key for development that is good for every route, and makes it anew when it no longer is."""

from pathlib import Path

import pytest

from app.settings import Settings
from development import api_key
from development.api_key import NoKey, key_for_development, provide_key
from development.key_file import KEY_FILE, read_key
from tests.support.databases import connection_to, fetch
from tests.support.settings import SECRET_KEY, settings_for


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".run").mkdir()
    return tmp_path


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url=database_url)


async def test_a_good_key_is_kept_where_only_its_user_can_read_it(project: Path, settings: Settings) -> None:
    first = await provided(project, settings)

    assert await provided(project, settings) == first
    assert (project / KEY_FILE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "event",
    [
        "UPDATE api_keys SET revoked_at = now()",
        "UPDATE api_keys SET expires_at = now() + interval '6 days'",
        "UPDATE api_keys SET expires_at = now() - interval '1 day'",
        "DELETE FROM api_keys",
    ],
)
async def test_a_key_that_is_no_longer_good_is_replaced(
    project: Path, settings: Settings, database_url: str, event: str
) -> None:
    first = await provided(project, settings)
    await change(database_url, event)

    second = await provided(project, settings)

    assert second != first
    assert await provided(project, settings) == second
    assert await fetch(
        database_url, "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND name = 'make run'"
    ) == [1]
    assert await fetch(database_url, "SELECT count(DISTINCT tenant_id) FROM api_keys WHERE name = 'make run'") == [1]


async def test_a_new_scope_makes_a_new_key(
    project: Path, settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await provided(project, settings)
    monkeypatch.setattr(api_key, "known_scopes", lambda _app: ["things:read", "things:write"])

    second = await provided(project, settings)

    assert second != first
    assert await fetch(database_url, "SELECT scopes FROM api_keys WHERE revoked_at IS NULL AND name = 'make run'") == [
        ["things:read", "things:write"]
    ]


async def test_a_file_that_holds_no_key_is_replaced(project: Path, settings: Settings) -> None:
    (project / KEY_FILE).write_text("apikey_of_mine\n")

    assert await provided(project, settings) != "apikey_of_mine"


def test_outside_development_no_key_is_made(project: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ENVIRONMENT": "production",
        "SECRET_KEY": SECRET_KEY,
        "ALLOWED_HOSTS": "api.example.com",
        "DATABASE_URL": database_url,
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(NoKey, match="because ENVIRONMENT is production"):
        key_for_development(project)

    assert read_key(project) is None


async def provided(project: Path, settings: Settings) -> str:
    await provide_key(project, settings)
    key = read_key(project)
    assert key
    return key


async def change(database_url: str, statement: str) -> None:
    async with connection_to(database_url) as connection:
        await connection.execute(statement)
