"""Redis hangs, is full, slow or comes back empty while callers go on: none of them gets an error."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.chaos import scene
from tests.support.chaos_report import record
from tests.support.databases import Databases
from tests.support.faults import full, killed, paused, slow_and_lossy
from tests.support.outages import BreakableValkey
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

# One question waits for `REDIS_TIMEOUT_SECONDS`, half a second; the rest is for a busy machine.
WORST_SECONDS = 6.0
RECOVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Place:
    """Valkey of the test's own, and the proxy on the way to it."""

    valkey: BreakableValkey
    proxy: TcpProxy

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}/0"


@pytest.fixture
def place(valkey: BreakableValkey) -> Iterator[Place]:
    with tcp_proxy(valkey.socket) as proxy:
        yield Place(valkey, proxy)


@dataclass(frozen=True)
class Case:
    """What happens, and for how long."""

    fault: str
    begin: Callable[[Place], AbstractContextManager[None]]
    seconds: float


def kill(place: Place) -> AbstractContextManager[None]:
    return killed(place.valkey)


def pause(place: Place) -> AbstractContextManager[None]:
    return paused(place.valkey)


def fill(place: Place) -> AbstractContextManager[None]:
    return full(place.valkey)


def slow_down(place: Place) -> AbstractContextManager[None]:
    return slow_and_lossy(place.proxy)


CASES = [
    pytest.param(Case("Redis paused for 2 s", pause, 2), id="paused"),
    pytest.param(Case("Redis paused for 10 s", pause, 10), id="paused-long", marks=pytest.mark.long),
    pytest.param(Case("Redis killed for 10 s", kill, 10), id="killed", marks=pytest.mark.long),
    pytest.param(Case("Redis restarted, empty", kill, 0), id="empty", marks=pytest.mark.long),
    pytest.param(Case("Redis full for 5 s", fill, 5), id="full", marks=pytest.mark.long),
    pytest.param(Case("Redis slow and lossy for 10 s", slow_down, 10), id="slow", marks=pytest.mark.long),
]


@pytest.mark.parametrize("case", CASES)
def test_callers_get_no_error(case: Case, databases: Databases, place: Place, tmp_path: Path) -> None:
    with databases.migrated() as url, scene(url, folder=tmp_path, REDIS_URL=place.url) as service:
        ordeal = service.endure(case.begin(place), seconds=case.seconds)

    record(case.fault, ordeal)
    assert ordeal.errors == {}, ordeal.reasons
    assert ordeal.worst_seconds < WORST_SECONDS
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled
