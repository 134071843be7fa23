"""Our own processes die or freeze in the middle of requests and jobs: what was asked for happens once."""

from pathlib import Path

import pytest

from tests.support.chaos import CALLS, a_note, scene
from tests.support.chaos_report import record
from tests.support.databases import Databases
from tests.support.faults import service_frozen, service_killed, worker_killed
from tests.support.steady_load import Call

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

RECOVERY_SECONDS = 5.0

# Most of the time one of these is in the middle.
WRITE_SLOWLY = Call("POST", "/v1/notes/slowly", make_body=a_note, is_persistent=True, per_second=4)

# What callers see of a connection that breaks, or of a server that is not there.
BROKEN = {"ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}
# The transaction of a process that died holds its keys until PostgreSQL notices.
STILL_HELD = 409


@pytest.mark.parametrize("kills", [pytest.param(1), pytest.param(10, marks=pytest.mark.long)])
def test_whoever_sends_a_request_again_with_its_key_after_the_service_was_killed_has_it_done_once(
    databases: Databases, tmp_path: Path, kills: int
) -> None:
    calls = [*CALLS[::2], *[WRITE_SLOWLY] * 5]

    with databases.migrated() as url, scene(url, folder=tmp_path) as service:
        ordeals = [service.endure(service_killed(service), seconds=0.5, calls=calls) for _ in range(kills)]

    worst = max(ordeals, key=lambda ordeal: ordeal.recovery_seconds)
    record(f"Service killed -9 (the worst of {kills})", worst)
    assert all(set(ordeal.of(WRITE_SLOWLY)) & {"ReadError", "RemoteProtocolError"} for ordeal in ordeals)
    assert all(ordeal.errors.keys() <= BROKEN | {STILL_HELD} for ordeal in ordeals), worst.reasons
    assert worst.recovery_seconds < RECOVERY_SECONDS
    assert all(ordeal.nothing_lost_or_doubled for ordeal in ordeals)


@pytest.mark.long
def test_of_a_killed_worker_callers_see_nothing(databases: Databases, tmp_path: Path) -> None:
    with databases.migrated() as url, scene(url, folder=tmp_path) as service:
        ordeal = service.endure(worker_killed(service), seconds=3)

    record("Worker killed -9 for 3 s", ordeal)
    assert ordeal.errors == {}, ordeal.reasons
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled


@pytest.mark.long
def test_after_a_freeze_the_service_goes_on(databases: Databases, tmp_path: Path) -> None:
    with databases.migrated() as url, scene(url, folder=tmp_path) as service:
        ordeal = service.endure(service_frozen(service), seconds=12)

    record("Service frozen for 12 s", ordeal)
    assert ordeal.errors.keys() <= {503, 504}, ordeal.reasons
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled
