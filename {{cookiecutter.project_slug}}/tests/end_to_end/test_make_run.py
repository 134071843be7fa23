"""`make run` starts everything and ends everything, however it is asked to."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import asyncpg
import pytest

from development import ports
from development.env_file import variables_of, write_env_file
from development.locks import held
from development.page import COMMANDS_TO_TRY, addresses_of, what_is_where
from development.processes import is_alive, wait_until
from tests.end_to_end.checkout import MAKE_RUN, SUPERVISOR, Checkout, Run, is_set_up
from tests.support.commands import STRONG_KEY
from tests.support.ports import free_ports

# Several starts of everything, on a machine that may be busy.
pytestmark = pytest.mark.timeout(300)


def test_sigterm_to_make_ends_everything(checkout: Checkout) -> None:
    assert is_set_up(), "run `make set-up` first, or this test would point your environment at its own copy"

    with checkout.serve(MAKE_RUN) as running:
        sockets = running.socket_folder
        assert {"PostgreSQL", "Valkey", "app serve", "app worker"} <= running.processes.keys()

        running.process.send_signal(signal.SIGTERM)
        running.wait()

        assert running.survivors() == []
        assert "Stopped; nothing is left running." in running.said
        assert not sockets.exists()


@pytest.mark.parametrize("child", ["Valkey", "app worker"])
def test_a_child_that_dies_is_named_and_ends_the_rest(checkout: Checkout, child: str) -> None:
    with checkout.serve() as running:
        running.processes[child].kill()

        assert running.wait() == 1
        assert f"{child} was ended by SIGKILL" in running.said
        assert running.survivors() == []


def test_make_dev_runs_changed_code_in_the_worker_and_ctrl_c_is_no_failure(checkout: Checkout) -> None:
    with checkout.serve((*SUPERVISOR, "--reload")) as running:
        (before,) = running.processes["app worker"].children()

        changed = checkout.folder / "src" / "app" / "__init__.py"
        changed.write_text(f"{changed.read_text()}# changed\n")

        is_replaced = wait_until(lambda: not is_alive(before) and running.has_a_ready_worker(), within_seconds=60)
        assert is_replaced, running.said
        (after,) = running.processes["app worker"].children()
        running.interrupt_all()
        assert running.wait() == 0
        assert running.survivors() == []
        assert not is_alive(after)
        assert "Traceback" not in running.said


def test_the_line_to_try_works_as_it_is_printed_and_no_log_knows_the_key(checkout: Checkout) -> None:
    with checkout.serve() as running:
        assert running.try_it()
        is_done = wait_until(lambda: running.try_it().count('"confirmed"') == 3, within_seconds=40)  # option: example
        assert is_done, running.try_it()  # option: example

        assert running.said.count(running.key) == 2, "on its own line and in the line to try"
        assert running.said.count("/health/ready") < 10, "the log is the user's"
        logs = list((checkout.folder / ".run").rglob("*.log"))
        assert len(logs) >= 2
        assert [log for log in logs if running.key in log.read_text(errors="replace")] == []


def test_operators_commands_work_in_a_second_terminal_as_they_are_printed(checkout: Checkout) -> None:
    with checkout.serve() as running:
        done = checkout.run("sh", "-ec", "\n".join(running.commands))

        assert done.returncode == 0, done.stderr
        assert running.commands[0] == f"export DATABASE_URL='{running.database_url}'"
        assert running.commands[1].startswith("export REDIS_URL=unix://")
        assert running.commands[-1] == ".venv/bin/app breakers list"
        assert "wanted" in done.stdout
        assert "prefix" in done.stdout
        assert running.key.split("_")[1] in done.stdout
        assert f"\n  reference   {running.url}/docs\n" in running.said


def test_in_production_neither_a_reference_nor_a_key_is_promised(checkout: Checkout) -> None:
    production = {"ENVIRONMENT": "production", "SECRET_KEY": STRONG_KEY, "ALLOWED_HOSTS": "127.0.0.1"}

    with checkout.serve(**production, DATABASE_TLS="off") as running:
        assert "\n  service " in running.said
        assert "\n  reference " not in running.said
        assert "\n  API key " not in running.said
        assert [line for line in running.commands if not line.startswith("export ")] == COMMANDS_TO_TRY


def test_after_a_killed_supervisor_the_next_start_is_clean_and_the_data_are_there(checkout: Checkout) -> None:
    with checkout.serve() as killed:
        in_database(killed, "CREATE TABLE kept AS SELECT 42 AS answer")
        killed.process.kill()
        killed.wait()
        assert "PostgreSQL" in killed.survivors()

    with checkout.serve() as running:
        assert killed.survivors() == []
        assert "Ended PostgreSQL, left over" in running.said
        assert in_database(running, "SELECT answer FROM kept") == 42


def test_data_survive_a_restart_and_a_second_start_meanwhile_is_refused(checkout: Checkout) -> None:
    with checkout.serve() as first:
        in_database(first, "CREATE TABLE kept AS SELECT 42 AS answer")
        refused = checkout.run(*SUPERVISOR)
        secret, key = (checkout.folder / ".env").read_text(), first.key

    assert refused.returncode == 1
    assert refused.stderr.strip() == "The service is already running from this folder: stop that one first."
    with checkout.serve() as second:
        assert in_database(second, "SELECT answer FROM kept") == 42
        assert second.key == key
    assert (checkout.folder / ".env").read_text() == secret
    assert (checkout.folder / ".env").stat().st_mode & 0o077 == 0


def test_clean_is_refused_while_it_runs(checkout: Checkout) -> None:
    with held(checkout.folder / ".run" / "lock", when_taken=pytest.fail):
        refused = checkout.run(sys.executable, "-m", "development.clean")

    assert refused.returncode == 1
    assert refused.stderr.strip() == "The service is running from this folder: stop it before make clean."
    assert (checkout.folder / ".venv").is_symlink()


def test_a_taken_port_is_one_sentence(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = checkout.run(*SUPERVISOR, PORT=str(taken.getsockname()[1]))

    assert refused.returncode == 1
    assert "is taken: stop what uses it" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_before_the_first_set_up_a_taken_port_is_said_at_once(checkout: Checkout) -> None:
    (checkout.folder / ".venv").unlink()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = checkout.run("make", "run", f"PORT={taken.getsockname()[1]}")

    assert refused.returncode != 0
    assert "is taken: stop what uses it" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (checkout.folder / ".venv").exists(), "nothing was installed"


def test_ports_that_an_env_file_may_name_are_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(ports, "DEFAULT_PORT", taken.getsockname()[1])
        with pytest.raises(ports.PortUnusable):
            ports.check_early(tmp_path)
        (tmp_path / ".env").write_text(f"PORT={free_ports(1)[0]}\n")

        ports.check_early(tmp_path)


def test_a_port_that_is_none_is_one_sentence(checkout: Checkout) -> None:
    refused = checkout.run(*SUPERVISOR, PORT="http")

    assert refused.returncode == 1
    assert refused.stderr.strip() == "PORT must be a number from 1 to 65535, and is 'http'."


def test_of_servers_of_the_users_own_no_address_is_printed() -> None:
    addresses = addresses_of({}, ports.Ports(api=8000, management=9000, worker=9001))

    page = what_is_where(addresses, reference=None, servers={}, key=None)

    assert "export" not in page
    assert "yours, see DATABASE_URL" in page


def test_only_an_asked_for_management_port_must_be_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ports, "DEFAULT_MANAGEMENT_PORT", busy)
            chosen = ports.choose_ports({"PORT": str(free_ports(1)[0])})

        assert chosen.management != busy
        with pytest.raises(ports.PortUnusable, match=f"MANAGEMENT_PORT {busy} is taken"):
            ports.choose_ports({"PORT": str(free_ports(1)[0]), "MANAGEMENT_PORT": str(busy)})


def test_the_worker_takes_the_next_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda _host, port: port != 9001)

    chosen = ports.choose_ports({"PORT": "9002", "MANAGEMENT_PORT": "9000"})

    assert chosen.of_worker == {"PORT": "9002", "MANAGEMENT_PORT": "9003"}


def test_the_example_becomes_an_env_file_with_a_secret_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("# A comment\n#SECRET_KEY=change me\nLOG_LEVEL=INFO\n")

    assert write_env_file(tmp_path)
    written = variables_of(tmp_path)
    assert not write_env_file(tmp_path)

    assert len(written["SECRET_KEY"]) >= 64
    assert written["LOG_LEVEL"] == "INFO"
    assert variables_of(tmp_path)["SECRET_KEY"] == written["SECRET_KEY"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_as_root_in_a_private_folder_the_data_go_elsewhere_and_survive(checkout: Checkout) -> None:
    checkout.folder.parent.chmod(0o700)

    with checkout.serve() as first:
        assert "its files are in /var/tmp/prodready-" in first.said
        assert first.processes["PostgreSQL"].username() == "nobody"
        in_database(first, "CREATE TABLE kept AS SELECT 42 AS answer")

    with checkout.serve() as second:
        assert in_database(second, "SELECT answer FROM kept") == 42


def in_database(running: Run, statement: str) -> object:
    async def execute() -> object:
        connection = await asyncpg.connect(running.database_url, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(execute())
