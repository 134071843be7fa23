"""`app serve` as a process: what stops it from starting, what does not, and how it ends."""

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.commands import for_production, run_app
from tests.support.hanging_up import hang_up_means
from tests.support.ports import free_ports, is_listening
from tests.support.serving_app import TALKATIVE, ServingApp, failing_to_serve, is_live, serving
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def linked(worker_database_url: str, folder: Path) -> Iterator[ServingApp]:
    """In a namespace with services of unlucky names, and configured by somebody careless."""
    (folder / "management-port").write_text(str(free_ports(1)[0]))
    links = {
        "REDIS_PORT": "tcp://10.0.0.7:6379",
        "REDIS_PORT_6379_TCP": "tcp://10.0.0.7:6379",
        "REDIS_PORT_6379_TCP_ADDR": "10.0.0.7",
        "REDIS_SERVICE_HOST": "10.0.0.7",
        "REDIS_SERVICE_PORT": "6379",
        "DATABASE_PORT": "tcp://10.0.0.8:5432",
        "DATABASE_SERVICE_PORT_PSQL": "5432",
        "X_SERVICE_HOST": "10.0.0.9",
        "MANAGEMENT_PORT": "tcp://10.0.0.10:80",
        "MANAGEMENT_PORT_FILE": str(folder / "management-port"),
    }
    careless = {"DATABASE": "foo", "LOG_COLOUR": "red", "TRUSTED_PROXIES": "10.0.0.1, 10.1.0.0/16"}
    with serving(folder=folder, **for_production(worker_database_url), **links, **careless) as running:
        yield running


def test_what_kubernetes_injects_does_not_break_a_start(linked: ServingApp) -> None:
    assert linked.client.get("/health/ready").status_code == 200


def test_unknown_variables_are_logged_and_those_of_kubernetes_are_not(linked: ServingApp) -> None:
    linked.wait_for_event("started")

    assert [line["variable"] for line in linked.named("setting_unknown")] == ["DATABASE", "LOG_COLOUR"]


def test_only_trusted_proxies_are_believed(linked: ServingApp) -> None:
    linked.client.get("/health/live", headers={"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "spoofed-01"})

    assert linked.access_line("spoofed-01")["client"] == "127.0.0.1"


@pytest.fixture
def draining(worker_database_url: str, folder: Path) -> Iterator[ServingApp]:
    """Would wait for a minute before it closes its port; has just been asked to stop."""
    with serving(folder=folder, **for_production(worker_database_url), SHUTDOWN_DELAY_SECONDS="60") as running:
        assert running.client.get("/health/ready").status_code == 200
        running.signal()
        running.wait_for_event("draining")
        yield running


def test_after_sigterm_it_is_not_ready_but_still_serves_until_a_second_signal(draining: ServingApp) -> None:
    ready = draining.client.get("/health/ready")
    metrics = draining.management.get("/metrics")

    draining.signal()
    draining.wait_for_end()
    draining.wait_for_event("stopped")

    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert metrics.status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_after_the_delay_without_a_stack_trace(
    number: signal.Signals, heard_hang_up: None, worker_database_url: str, folder: Path
) -> None:
    variables = for_production(worker_database_url)

    with serving(folder=folder, module=TALKATIVE, **variables, SHUTDOWN_DELAY_SECONDS="0.2") as running:
        running.signal(number)
        exit_code = running.wait_for_end()
        running.wait_for_event("stopped")

    assert exit_code in {0, -number, 128 + number}
    assert time_of(running, "Shutting down") - time_of(running, "draining") >= timedelta(seconds=0.2)
    assert [line for line in running.lines if not line.startswith("{")] == []


@pytest.fixture
def ignored_hang_up() -> Iterator[None]:
    """As `nohup` does it for the processes that it starts."""
    with hang_up_means(signal.SIG_IGN):
        yield


def test_what_was_started_with_nohup_does_not_end_with_its_terminal(
    ignored_hang_up: None, worker_database_url: str, folder: Path
) -> None:
    with serving(folder=folder, **for_production(worker_database_url)) as running:
        running.signal(signal.SIGHUP)
        answer = running.client.get("/health/live")
        running.signal()
        running.wait_for_event("stopped")
        running.wait_for_end()

    assert answer.status_code == 200
    assert [line["signal"] for line in running.named("draining")] == ["SIGTERM"]


def test_with_reload_a_changed_file_starts_it_anew(worker_database_url: str, tmp_path: Path) -> None:
    source = tmp_path / "src" / "changed.py"
    source.parent.mkdir()
    source.touch()
    variables = {**for_production(worker_database_url), "ENVIRONMENT": "development", "LOG_FORMAT": "json"}

    with serving("--reload", folder=tmp_path, **variables) as running:
        running.wait_for_event("started")
        source.write_text("changed = True\n")
        wait_until(lambda: len(running.named("started")) > 1, what="the second start")
        wait_until(lambda: is_live(running), what="the service")
        metrics = running.management.get("/metrics")
        running.client.get("/health/live", headers={"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "spoofed-02"})
        client = running.access_line("spoofed-02")["client"]

    assert metrics.status_code == 200
    assert client == "127.0.0.1"
    assert not is_listening(running.client.base_url.port or 0), "the process that served outlives the one that watches"


# Python runs this at the start of every process that finds it, the reloader's child included.
UNDECLARED = """
from fastapi import APIRouter

from app.assembly.routes import ROUTERS


async def undeclared() -> None: ...


router = APIRouter()
router.add_api_route("/v1/things", undeclared)
ROUTERS.append(router)
"""


def test_with_reload_a_route_without_a_policy_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "sitecustomize.py").write_text(UNDECLARED)
    variables = {**for_production("postgresql://app@/app?host=/nowhere"), "ENVIRONMENT": "development"}

    with failing_to_serve("--reload", folder=tmp_path, PYTHONPATH=str(tmp_path), **variables) as running:
        wait_until(lambda: any("does not say who" in line for line in running.lines), what="the sentence")
        is_watching = running.process.poll() is None
        running.signal()
        running.wait_for_end()

    [said] = [line for line in running.lines if not line.startswith("{")]
    assert said.startswith("GET /v1/things does not say who may call it: give it a caller")
    assert is_watching


def time_of(running: ServingApp, event: str) -> datetime:
    return datetime.fromisoformat(running.named(event)[0]["timestamp"])


def test_a_request_in_flight_is_answered_before_it_ends(worker_database_url: str, folder: Path) -> None:
    variables = for_production(worker_database_url)

    with serving(folder=folder, module=TALKATIVE, **variables) as running, ThreadPoolExecutor() as callers:
        answer = callers.submit(running.client.get, "/talk/last")
        running.wait_for_event("last_began")
        running.signal()

        assert answer.result(timeout=10).json() == "done"
        running.wait_for_end()


def test_a_request_that_does_not_end_is_cut_off_after_the_grace(worker_database_url: str, folder: Path) -> None:
    variables = {**for_production(worker_database_url), "SHUTDOWN_GRACE_SECONDS": "1"}

    with serving(folder=folder, module=TALKATIVE, **variables) as running, ThreadPoolExecutor() as callers:
        answer = callers.submit(running.client.get, "/talk/endless")
        running.wait_for_event("endless_began")
        running.signal()
        running.wait_for_end()

        response = answer.result(timeout=10)

    assert response.status_code == 503
    assert [line for line in running.events if "exception" in line] == []
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert [line for line in running.lines if not line.startswith("{")] == []


@pytest.mark.parametrize("name", ["PORT", "MANAGEMENT_PORT"])
def test_a_port_in_use_is_told_in_a_sentence(name: str, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ports = {"PORT": "0", "MANAGEMENT_PORT": "0", name: str(port)}
        done = run_app("serve", folder=folder, **for_production("postgresql://app@/app?host=/nowhere"), **ports)

    assert done.exit_code == 78
    assert f"{name}: cannot listen on 127.0.0.1:{port} (Address already in use)." in done.stderr
    assert f"Set {name} to a free port." in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_an_address_that_is_not_ours_is_told_in_a_sentence(folder: Path) -> None:
    variables = {**for_production("postgresql://app@/app?host=/nowhere"), "HOST": "192.0.2.1"}

    done = run_app("serve", folder=folder, **variables)

    assert done.exit_code == 78
    assert "Check HOST and MANAGEMENT_PORT." in done.stderr


@pytest.mark.parametrize("options", [(), ("--reload",)])
def test_missing_essentials_are_told_in_a_sentence(options: tuple[str, ...], folder: Path) -> None:
    done = run_app("serve", *options, folder=folder)

    assert done.exit_code == 78
    assert "DATABASE_URL is not set" in done.stderr
    assert "SECRET_KEY is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_starts_and_says_that_it_is_not_ready_without_its_database(folder: Path) -> None:
    with serving(folder=folder, **for_production("postgresql://app@/app?host=/nowhere")) as running:
        ready = running.client.get("/health/ready")

    assert (ready.status_code, ready.json()["components"]["database"]["status"]) == (503, "fail")
