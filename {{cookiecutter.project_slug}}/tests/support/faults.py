"""What is done to the things that the service needs. Each fault lasts as long as its block."""

import fcntl
import mmap
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.support.breakable_partner import BreakablePartner
from tests.support.chaos import Scene
from tests.support.databases import execute
from tests.support.outages import BreakablePostgres, BreakableValkey
from tests.support.running_app import RunningApp
from tests.support.tcp_proxy import TcpProxy


class Breakable(Protocol):
    """A server of the test's own."""

    def kill(self) -> None: ...
    def revive(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


@contextmanager
def killed(server: Breakable) -> Iterator[None]:
    """And started again: PostgreSQL with its data, Valkey without."""
    server.kill()
    try:
        yield
    finally:
        server.revive()


@contextmanager
def paused(server: Breakable) -> Iterator[None]:
    """It keeps its connections and answers nothing."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextmanager
def without_connections(server: BreakablePostgres, url: str) -> Iterator[None]:
    """Those that stand are ended, and none is given: the refusal is the one of a server that is full (53300)."""
    name = urlsplit(url).path.removeprefix("/")
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - ours
    execute(server.url, f'ALTER DATABASE "{name}" CONNECTION LIMIT 0', others)
    try:
        yield
    finally:
        execute(server.url, f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')


@contextmanager
def full(server: BreakableValkey) -> Iterator[None]:
    """It reads and refuses to write."""
    server.limit_memory("1")
    try:
        yield
    finally:
        server.limit_memory("0")


@contextmanager
def slow_and_lossy(proxy: TcpProxy) -> Iterator[None]:
    """Like a line across an ocean on a bad day."""
    proxy.latency_seconds, proxy.loss = 0.02, 0.03
    try:
        yield
    finally:
        proxy.latency_seconds = proxy.loss = 0


@contextmanager
def silent(proxy: TcpProxy) -> Iterator[None]:
    """A cable is cut, and then mended."""
    proxy.silence()
    try:
        yield
    finally:
        proxy.speak()


@contextmanager
def refusing(proxy: TcpProxy) -> Iterator[None]:
    """Every connection is reset, and no new one taken."""
    proxy.refuse()
    proxy.cut()
    try:
        yield
    finally:
        proxy.accept()


@contextmanager
def service_killed(scene: Scene) -> Iterator[None]:
    """As the kernel does when memory is short, and started again as an orchestrator does."""
    scene.service.process.kill()
    try:
        yield
    finally:
        scene.start_service()


@contextmanager
def worker_killed(scene: Scene) -> Iterator[None]:
    """The same."""
    scene.worker.kill()
    try:
        yield
    finally:
        scene.start_worker()


@contextmanager
def service_frozen(scene: Scene) -> Iterator[None]:
    """As a machine that is moved: for the process its clocks jump."""
    scene.service.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        scene.service.signal(signal.SIGCONT)


@contextmanager
def clocks_ahead(scene: Scene) -> Iterator[None]:
    """They jump a day ahead and stay there; needs the service that can do so."""
    scene.service.signal(signal.SIGUSR1)
    yield


@contextmanager
def log_unread(running: RunningApp) -> Iterator[None]:
    """As when the program that collects logs hangs: a page of them fits into the pipe, the next write would wait."""
    assert running.process.stdout
    fcntl.fcntl(running.process.stdout, fcntl.F_SETPIPE_SZ, mmap.PAGESIZE)
    running.is_read.clear()
    try:
        yield
    finally:
        running.is_read.set()


@contextmanager
def misbehaving(partner: BreakablePartner, **behaviour: Any) -> Iterator[None]:
    """As `Partner.behave`."""
    partner.misbehave(**behaviour)
    try:
        yield
    finally:
        partner.answer_well()


@contextmanager
def all_of(*faults: AbstractContextManager[None]) -> Iterator[None]:
    """At once."""
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault)
        yield
