"""PostgreSQL dies, hangs, is full or far away while callers go on: what they see, and how soon it is over."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.chaos import RECALL, WITHOUT_ANYTHING, scene
from tests.support.chaos_report import record
from tests.support.databases import Databases
from tests.support.faults import killed, paused, refusing, silent, slow_and_lossy, without_connections
from tests.support.outages import BreakablePostgres
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

RECOVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Place:
    """A database of the test's own, and the proxy on the way to it."""

    server: BreakablePostgres
    url: str
    proxy: TcpProxy

    @property
    def url_through_proxy(self) -> str:
        return urlsplit(self.url)._replace(netloc=f"app@127.0.0.1:{self.proxy.port}", query="").geturl()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakablePostgres]:
    with BreakablePostgres(tmp_path_factory.mktemp("chaos") / "postgres", fast=True) as server:
        yield server


@pytest.fixture
def place(postgres: BreakablePostgres) -> Iterator[Place]:
    assert postgres.sockets
    with Databases(postgres.url).migrated() as url, tcp_proxy(postgres.sockets / ".s.PGSQL.5432") as proxy:
        yield Place(postgres, url, proxy)


@dataclass(frozen=True)
class Case:
    """What happens, for how long, and what callers may have to bear of it."""

    fault: str
    begin: Callable[[Place], AbstractContextManager[None]]
    seconds: float
    errors: set[int]
    worst_seconds: float
    is_on_the_way: bool = False


def kill(place: Place) -> AbstractContextManager[None]:
    return killed(place.server)


def pause(place: Place) -> AbstractContextManager[None]:
    return paused(place.server)


def fill(place: Place) -> AbstractContextManager[None]:
    return without_connections(place.server, place.url)


def slow_down(place: Place) -> AbstractContextManager[None]:
    return slow_and_lossy(place.proxy)


def cut_the_cable(place: Place) -> AbstractContextManager[None]:
    return silent(place.proxy)


def refuse(place: Place) -> AbstractContextManager[None]:
    return refusing(place.proxy)


# A request waits for a connection, or for an answer of one that hangs, no longer than these.
AT_ONCE = 2.0
PATIENT = 10.0 + AT_ONCE

GONE = {503}
SILENT = {503, 504}

CASES = [
    pytest.param(Case("PostgreSQL killed for 2 s", kill, 2, GONE, PATIENT), id="killed"),
    pytest.param(Case("PostgreSQL killed for 10 s", kill, 10, GONE, PATIENT), id="killed-long", marks=pytest.mark.long),
    pytest.param(Case("PostgreSQL paused for 2 s", pause, 2, SILENT, PATIENT), id="paused"),
    pytest.param(
        Case("PostgreSQL paused for 10 s", pause, 10, SILENT, PATIENT), id="paused-long", marks=pytest.mark.long
    ),
    pytest.param(
        Case("PostgreSQL out of connections for 5 s", fill, 5, GONE, PATIENT), id="full", marks=pytest.mark.long
    ),
    pytest.param(
        Case("PostgreSQL slow and lossy for 10 s", slow_down, 10, GONE, PATIENT, is_on_the_way=True),
        id="slow",
        marks=pytest.mark.long,
    ),
    pytest.param(
        Case("PostgreSQL behind a cut cable for 10 s", cut_the_cable, 10, SILENT, PATIENT, is_on_the_way=True),
        id="silent",
        marks=pytest.mark.long,
    ),
    pytest.param(
        Case("PostgreSQL refusing for 5 s", refuse, 5, GONE, PATIENT, is_on_the_way=True),
        id="refusing",
        marks=pytest.mark.long,
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_callers_are_told_to_come_back_and_nothing_is_lost(case: Case, place: Place, tmp_path: Path) -> None:
    reached_by = place.url_through_proxy if case.is_on_the_way else None

    with scene(place.url, folder=tmp_path, database_url=reached_by) as service:
        ordeal = service.endure(case.begin(place), seconds=case.seconds)

    record(case.fault, ordeal)
    assert ordeal.errors.keys() <= case.errors, ordeal.reasons
    assert set(ordeal.of(WITHOUT_ANYTHING)) == {200}, "what needs no database goes on"
    assert set(ordeal.of(RECALL)) == {200}, "what is remembered is better than an error"
    assert ordeal.worst_seconds < case.worst_seconds
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled
