"""Nobody takes the log, or there is no space for it: requests go on, and what is not written is counted."""

import sys
from pathlib import Path

import pytest

from tests.support.chaos import SERVICE, scene
from tests.support.chaos_report import record
from tests.support.commands import for_production
from tests.support.databases import Databases
from tests.support.faults import log_unread
from tests.support.metrics import read
from tests.support.serving_app import ServingApp, serving
from tests.support.settings import UNLIMITED
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full and pipes of a chosen size"),
]

REQUESTS = 50

# Lines that are kept: fewer than are written in a second or two.
FEW = "100"

WORST_SECONDS = 3.0
RECOVERY_SECONDS = 5.0


def dropped(service: ServingApp) -> float:
    return read(service.management.get("/metrics").text).value("log_lines_dropped_total")


def told(service: ServingApp) -> int:
    """How many it says itself that it has dropped."""
    return sum(line["lines"] for line in service.named("log_lines_dropped"))


@pytest.mark.parametrize("seconds", [pytest.param(5), pytest.param(20, marks=pytest.mark.long)])
def test_while_nobody_reads_the_log_requests_go_on(databases: Databases, tmp_path: Path, seconds: int) -> None:
    with databases.migrated() as url, scene(url, folder=tmp_path, MOST_LINES=FEW) as service:
        ordeal = service.endure(log_unread(service.service), seconds=seconds)
        wait_until(lambda: told(service.service) == dropped(service.service) > 0, what="the number of dropped lines")

    record(f"Log not read for {seconds} s", ordeal)
    assert ordeal.errors == {}, ordeal.reasons
    assert ordeal.worst_seconds < WORST_SECONDS
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled


def test_on_a_full_disk_requests_go_on(databases: Databases, tmp_path: Path) -> None:
    variables = {**for_production("postgresql://app@/app?host=/nowhere"), **UNLIMITED}

    with serving(folder=tmp_path, module=SERVICE, output="/dev/full", **variables) as service:
        statuses = [service.client.get("/v1/notes/help").status_code for _ in range(REQUESTS)]
        wait_until(lambda: dropped(service) >= REQUESTS, what="the count of dropped lines")
        service.signal()
        exit_code = service.wait_for_end()

    assert statuses == [200] * REQUESTS
    assert exit_code in {0, -15, 143}
