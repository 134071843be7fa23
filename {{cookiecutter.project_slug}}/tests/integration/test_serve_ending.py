"""`app serve` ends when it was asked to, whatever its routes have left behind."""

import signal
import threading
from pathlib import Path

import httpx2
import pytest

from app.assembly.server import CLOSING_SECONDS
from tests.support.commands import for_production
from tests.support.serving_app import serving
from tests.support.waiting import wait_until

SERVICE = "tests.support.playground_service"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_thread_that_nobody_can_interrupt_does_not_keep_it_alive(
    number: signal.Signals, worker_database_url: str, tmp_path: Path
) -> None:
    variables = {**for_production(worker_database_url), "SHUTDOWN_GRACE_SECONDS": "1"}

    with serving(folder=tmp_path, module=SERVICE, **variables) as running:
        caller = threading.Thread(target=answer_or_end, args=(str(running.client.base_url), "/v1/slow/stuck"))
        caller.start()
        running.wait_for_event("stuck")
        running.signal(number)
        running.wait_for_end()
        caller.join(10)

    assert not caller.is_alive()


def test_what_does_not_close_does_not_keep_it_alive(worker_database_url: str, tmp_path: Path) -> None:
    variables = {**for_production(worker_database_url), "SHUTDOWN_GRACE_SECONDS": "1", "NEVER_CLOSES": "1"}

    with serving(folder=tmp_path, module=SERVICE, **variables) as running:
        running.signal()
        try:
            wait_until(lambda: running.process.poll() is not None, within_seconds=20, what="its end")
        finally:
            running.process.kill()

    assert running.process.returncode == 1
    assert [line["seconds"] for line in running.named("ended_by_force")] == [1 + CLOSING_SECONDS]


def answer_or_end(url: str, path: str) -> None:
    """The answer, if one comes before the connection ends, is no matter of this test."""
    with httpx2.Client(base_url=url, timeout=20) as client:
        try:
            client.get(path)
        except httpx2.TransportError:
            return
