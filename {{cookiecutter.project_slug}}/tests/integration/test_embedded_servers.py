"""The embedded servers: quick, private, and indifferent to what an earlier one left behind."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from development.postgres import EmbeddedPostgres
from development.processes import is_alive
from development.valkey import EmbeddedValkey


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_the_database_is_utf8_and_belongs_to_a_role_that_is_no_superuser(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgresql", fast=True) as server:
        facts = ask(
            server.url,
            "SELECT pg_encoding_to_char(encoding) || ' ' || datlocale || ' ' || usesuper || ' ' || usecreatedb"
            " FROM pg_database JOIN pg_user ON usesysid = datdba WHERE datname = current_database()",
        )

    assert facts == "UTF8 C.UTF-8 false true"


def test_it_listens_on_a_private_socket_and_on_no_port(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgresql", fast=True) as server:
        assert server.sockets is not None
        assert server.sockets.stat().st_mode & 0o077 == 0
        assert ask(server.url, "SHOW listen_addresses") == ""


def test_data_survive_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgresql") as first:
        ask(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")

    with EmbeddedPostgres(folder / "postgresql") as second:
        assert ask(second.url, "SELECT answer FROM kept") == 42


def test_a_fast_server_leaves_nothing_behind(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgresql", fast=True) as postgres, EmbeddedValkey(folder / "valkey", fast=True):
        sockets = postgres.sockets

    assert list(folder.iterdir()) == []
    assert sockets is not None
    assert not sockets.exists()


def test_a_server_that_nobody_ended_is_ended_by_the_next(folder: Path) -> None:
    forgotten = EmbeddedPostgres(folder / "postgresql")
    forgotten.start()

    with EmbeddedPostgres(folder / "postgresql") as server:
        assert forgotten.child.exit_code == 0
        assert ask(server.url, "SELECT 1") == 1

    forgotten.stop()


def test_after_kill_nine_it_starts_again(folder: Path) -> None:
    killed = EmbeddedPostgres(folder / "postgresql")
    killed.start()
    killed.child.process.kill()
    killed.stop()

    with EmbeddedPostgres(folder / "postgresql") as server:
        assert ask(server.url, "SELECT 1") == 1


def test_another_process_with_the_number_of_a_dead_server_is_left_alone(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgresql") as server:
        claim = (server.folder / "data" / "postmaster.pid").read_text()
    with subprocess.Popen(["/bin/sleep", "60"]) as foreign:
        _, _, rest = claim.partition("\n")
        (server.folder / "data" / "postmaster.pid").write_text(f"{foreign.pid}\n{rest}")

        with EmbeddedPostgres(folder / "postgresql"):
            assert is_alive(psutil.Process(foreign.pid))

        foreign.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_root_hands_it_to_an_ordinary_account_even_in_a_private_folder(folder: Path) -> None:
    folder.chmod(0o700)

    with EmbeddedPostgres(folder / "postgresql", fast=True) as server:
        assert psutil.Process(server.child.mark.pid).username() == "nobody"
        assert ask(server.url, "SELECT 1") == 1

    assert not server.folder.exists()


def test_a_long_temporary_folder_does_not_make_the_socket_path_too_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = folder / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    with EmbeddedValkey(folder / "valkey", fast=True) as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_valkey_keeps_its_data_over_a_restart(folder: Path) -> None:
    with EmbeddedValkey(folder / "valkey") as first, redis.Redis.from_url(first.url) as client:
        client.set("kept", "42")

    with EmbeddedValkey(folder / "valkey") as second, redis.Redis.from_url(second.url) as client:
        assert client.get("kept") == b"42"


def ask(url: str, statement: str) -> object:
    async def execute() -> object:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(execute())
