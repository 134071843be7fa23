"""Real servers for the tests: PostgreSQL and Valkey of our own, or those that DATABASE_URL and REDIS_URL name."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog

from app.health import report
from tests.support.databases import Databases
from tests.support.hanging_up import hang_up_means
from tests.support.outages import BreakableValkey
from tests.support.servers import TestServers
from tests.support.service import RunningService, run_service
from tests.support.settings import forget_environment, settings_for


def pytest_configure(config: pytest.Config) -> None:
    """The first process starts the servers; xdist's workers inherit their addresses."""
    if hasattr(config, "workerinput"):
        return
    # Ended like by Ctrl-C, so that the servers are stopped when a time limit or a cancelled job ends the run.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = forget_environment()
    servers = TestServers.start(given)
    config.stash[SERVERS] = servers
    os.environ["TEST_DATABASE_URL"] = servers.database_url
    os.environ["TEST_REDIS_URL"] = servers.redis_url


def pytest_unconfigure(config: pytest.Config) -> None:
    """Whoever started the servers stops them."""
    servers = config.stash.get(SERVERS, None)
    if servers is not None:
        servers.stop()


SERVERS = pytest.StashKey[TestServers]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def databases() -> Databases:
    """Makes databases on the test server."""
    return Databases(os.environ["TEST_DATABASE_URL"])


@pytest.fixture(scope="session")
def worker_database_url(databases: Databases) -> Iterator[str]:
    """This worker's database, migrated."""
    with databases.migrated() as url:
        yield url


@pytest.fixture
def database_url(databases: Databases, worker_database_url: str) -> Iterator[str]:
    """The same, emptied before the test, as a module's own service leaves rows there, and after it."""
    databases.truncate(worker_database_url)
    yield worker_database_url
    databases.truncate(worker_database_url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database without any table."""
    with databases.empty() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> str:
    return os.environ["TEST_REDIS_URL"]


@pytest.fixture
def stopped_valkey(tmp_path: Path) -> Iterator[BreakableValkey]:
    """A server of the test's own, which it may start, kill and freeze."""
    server = BreakableValkey(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def valkey(stopped_valkey: BreakableValkey) -> BreakableValkey:
    """The same, started."""
    stopped_valkey.start()
    return stopped_valkey


@pytest.fixture
def heard_hang_up() -> Iterator[None]:
    """What the test starts hears SIGHUP, even if the tests were started with `nohup`."""
    with hang_up_means(signal.SIG_DFL):
        yield


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """An application made in a test may log to a stream that is closed with the test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test opens is closed after it, the last first."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question about health runs the checks."""
    monkeypatch.setattr(report, "CACHE_SECONDS", 0.0)


@pytest.fixture(scope="session")
async def shared_service(worker_database_url: str, redis_url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=worker_database_url, redis_url=redis_url)) as running:
        yield running


@pytest.fixture
async def service(shared_service: RunningService, database_url: str) -> RunningService:
    """The assembled service on a real port, with an empty database."""
    return shared_service
