"""Instances behind a proxy are restarted in turn under load, and no caller notices."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.core.ids import new_id
from tests.support.callers import key_for
from tests.support.chaos import Ordeal
from tests.support.chaos_report import record
from tests.support.commands import for_production
from tests.support.databases import Databases
from tests.support.haproxy import HAPROXY, Proxy, proxy_for
from tests.support.ports import free_ports
from tests.support.serving_app import ServingApp, serving
from tests.support.settings import UNLIMITED, settings_for
from tests.support.steady_load import Call, percentile, steady_load

SERVICE = "tests.support.playground_service"

# Ten times what the proxy needs to find out.
DELAY_SECONDS = 1.0

TOY = {"name": "Bear", "count": 1}
CALLS = [
    Call("GET", "/v1/toys?name=Bear"),
    Call("GET", "/v1/toys?name=Bear", connects_anew=True),
    Call("POST", "/v1/toys", TOY),
    Call("POST", "/v1/toys", TOY, connects_anew=True),
    *[Call("GET", "/v1/slow"), Call("GET", "/v1/slow", connects_anew=True)] * 2,
]

# Failures that a caller may not have seen, because the proxy hid them.
TROUBLES = ["econ", "eresp", "wretr", "wredis", "hrsp_5xx", "cli_abrt", "srv_abrt"]


class Instance:
    """One of those behind the proxy."""

    def __init__(self, port: int, *, folder: Path, variables: dict[str, str]) -> None:
        self.port = port
        self.folder = folder
        self.variables = variables
        self.stack = ExitStack()
        self.running: ServingApp

    def start(self) -> None:
        started = serving(folder=self.folder, module=SERVICE, PORT=str(self.port), **self.variables)
        self.running = self.stack.enter_context(started)

    def stop(self) -> int:
        """As an orchestrator does; its exit code."""
        self.running.signal()
        exit_code = self.running.wait_for_end()
        self.running.wait_for_event("stopped")
        self.stack.close()
        return exit_code


@contextmanager
def instances(*, folder: Path, variables: dict[str, str]) -> Iterator[list[Instance]]:
    both = [Instance(port, folder=folder, variables=variables) for port in free_ports(2)]
    with ExitStack() as stack:
        for instance in both:
            stack.enter_context(instance.stack)
            instance.start()
        yield both


@pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("restarts", [pytest.param(3), pytest.param(40, marks=pytest.mark.long)])
def test_a_rolling_restart_under_load_fails_no_request(databases: Databases, tmp_path: Path, restarts: int) -> None:
    with databases.migrated() as url:
        variables = {**for_production(url), **UNLIMITED, "SHUTDOWN_DELAY_SECONDS": str(DELAY_SECONDS)}
        key = asyncio.run(key_for(settings_for(database_url=url), "toys:use", tenant=new_id()))
        with (
            instances(folder=tmp_path, variables=variables) as both,
            proxy_for([instance.port for instance in both], folder=tmp_path) as proxy,
        ):
            proxy.wait_until_all_are_up()
            with steady_load(proxy.url, CALLS, headers={"Authorization": f"Bearer {key.text}"}) as load:
                for number in range(restarts):
                    restart(both[number % 2], proxy)
            troubles = {name: {trouble: row[trouble] for trouble in TROUBLES} for name, row in proxy.servers().items()}

    slow, quick = [
        [outcome for outcome in load.outcomes if (outcome.call.path == "/v1/slow") == is_slow]
        for is_slow in (True, False)
    ]
    print(  # noqa: T201 - shown with `-rP`
        f"{restarts} restarts: {dict(load.statuses())}, {len(slow)} of them slow, "
        f"p99 {percentile(quick, 0.99):.0f} ms of the others; the proxy counted {troubles}"
    )
    record(f"Two services behind a proxy restarted in turn ({restarts} in a row)", Ordeal(quick, time.monotonic()))
    assert set(load.statuses()) == {200, 201}
    assert len(slow) >= 3 * restarts
    assert len(load.outcomes) >= 100 * restarts
    assert {value for row in troubles.values() for value in row.values()} <= {"0", ""}


def restart(instance: Instance, proxy: Proxy) -> None:
    exit_code = instance.stop()
    assert exit_code in {0, -15, 143}
    instance.start()
    proxy.wait_until_all_are_up()
