"""Whoever takes crash reports takes them no longer: crashes are answered as before, and nothing piles up or waits."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import for_production
from tests.support.serving_app import TALKATIVE, serving
from tests.support.settings import UNLIMITED

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

# More than Sentry's library keeps to be sent later.
CRASHES = 300

WORST_SECONDS = 2.0

# What closing may take: two seconds for the reports, and what a busy machine needs.
END_SECONDS = 10.0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


def test_crashes_are_answered_and_the_service_ends_while_sentry_is_silent(silent_port: int, tmp_path: Path) -> None:
    variables = {**for_production("postgresql://app@/app?host=/nowhere"), **UNLIMITED}
    dsn = f"http://public@127.0.0.1:{silent_port}/1"

    with serving(folder=tmp_path, module=TALKATIVE, SENTRY_DSN=dsn, **variables) as service:
        answers = [service.client.get("/talk/crash", headers={"X-Token": "none"}) for _ in range(CRASHES)]
        asked_to_end = time.monotonic()
        service.signal()
        service.wait_for_end()
        took = time.monotonic() - asked_to_end

    assert {answer.status_code for answer in answers} == {500}
    assert max(answer.elapsed.total_seconds() for answer in answers) < WORST_SECONDS
    assert len(service.named("crash")) == CRASHES
    assert took < END_SECONDS
