"""What is measured, as processes of their own: applications, and the database and the cache behind them."""

import os
import random
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import psutil

from app.settings import Settings, load_settings
from development.accounts import PROJECT
from development.children import Child, end_together, start_child, wait_until_ready
from development.embedded_server import EmbeddedServer
from development.errors import DevelopmentError
from development.postgres import EmbeddedPostgres
from development.valkey import EmbeddedValkey
from performance.connection import HOST
from performance.machine import family

START_SECONDS = 60.0
END_SECONDS = 10.0

# Below those that Linux and macOS hand out: with twenty servers to start, some would be gone when it is their turn.
OUR_PORTS = range(20_000, 32_000)

# Nothing connects to it: for what never asks the database, and must still be told of one.
NO_DATABASE = "postgresql://nobody@127.0.0.1:9/none"

# Limits that count, and never refuse.
MORE_THAN_WE_ASK = "1000000/second"


@dataclass(frozen=True)
class Behind:
    """The servers behind the applications, or in a sentence each why they are not there."""

    database_url: str | None
    redis_url: str | None
    missing: Sequence[str]


@contextmanager
def servers_behind(folder: Path) -> Iterator[Behind]:
    """PostgreSQL and Valkey of our own, empty, for the length of the block; whatever cannot be started is missing."""
    missing: list[str] = []
    with ExitStack() as stack:
        database = url_of(EmbeddedPostgres(folder / "postgresql", fast=True), stack, missing)
        redis = url_of(EmbeddedValkey(folder / "valkey", fast=True), stack, missing)
        yield Behind(database, redis, missing)


def url_of(server: EmbeddedServer, stack: ExitStack, missing: list[str]) -> str | None:
    try:
        return stack.enter_context(server).url
    except DevelopmentError as error:
        missing.append(f"{server.name} is not there: {error}")
        return None


# Stands for the port in a program's command and variables.
PORT = "$PORT"


@dataclass(frozen=True)
class Program:
    """Something that serves on `PORT` of its environment, or on what `$PORT` is replaced by."""

    name: str
    command: Sequence[str | Path]
    variables: Mapping[str, str]
    folder: Path | None = None


@dataclass(frozen=True)
class Running:
    """A program that listens."""

    port: int
    child: Child
    log: Path

    @property
    def pid(self) -> int:
        return self.child.process.pid

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


@contextmanager
def running(programs: Sequence[Program], folder: Path) -> Iterator[list[Running]]:
    """All of them at the same time, until the end of the block. Raises `ChildFailed` if one does not listen."""
    folder.mkdir(parents=True, exist_ok=True)
    started: list[Running] = []
    try:
        for number, (program, port) in enumerate(zip(programs, free_ports(len(programs)), strict=True)):
            started.append(start(program, port, log=folder / f"{number:02}.log"))
        for each in started:
            wait_until_ready(
                each.child, partial(listens, each.child, each.port), within_seconds=START_SECONDS, log=each.log
            )
        yield started
    finally:
        end_together([each.child for each in started], within_seconds=END_SECONDS)


def start(program: Program, port: int, *, log: Path) -> Running:
    """Its output goes to a file, as in production; a terminal would be slower than what is measured."""
    variables = {name: value.replace(PORT, str(port)) for name, value in program.variables.items()}
    command = [str(word).replace(PORT, str(port)) for word in program.command]
    environment = kept_environment() | {"PORT": str(port)} | variables
    child = start_child(program.name, command, environment=environment, folder=program.folder or log.parent, log=log)
    return Running(port, child, log)


def kept_environment() -> dict[str, str]:
    """Nothing that could configure the service: it is to be measured as this code sets it up."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(PROJECT)}


def production(behind: Behind) -> dict[str, str]:
    """The settings of the service: production's, for a caller on this machine that asks as often as it likes."""
    settings = {
        "ENVIRONMENT": "production",
        "SECRET_KEY": secrets.token_hex(32),
        "HOST": HOST,
        "MANAGEMENT_PORT": "0",
        "ALLOWED_HOSTS": HOST,
        "CORS_ORIGINS": "https://www.example.com",
        "DATABASE_URL": behind.database_url or NO_DATABASE,
        "LOG_FORMAT": "json",
        **dict.fromkeys(("RATE_LIMIT_ADDRESS", "RATE_LIMIT_DEFAULT", "RATE_LIMIT_REFUSED"), MORE_THAN_WE_ASK),
    }
    return settings | ({"REDIS_URL": behind.redis_url} if behind.redis_url else {})


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module with this Python."""
    return [sys.executable, "-m", name, *arguments]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, and none that the system gives to those who ask for any."""
    candidates = iter(random.sample(OUR_PORTS, k=len(OUR_PORTS)))
    return list(islice(filter(is_free, candidates), count))


def is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex((HOST, port)) != 0


def listens(child: Child, port: int) -> bool:
    """Whether it does so itself: somebody else may have taken the port in the meantime."""
    try:
        connections = [each for process in family(child.process.pid) for each in process.net_connections(kind="tcp")]
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)


def adopt(variables: Mapping[str, str]) -> Settings:
    """Let this process read the same settings as the programs that it starts, and nothing else."""
    environment = kept_environment() | dict(variables)
    os.environ.clear()
    os.environ.update(environment)
    return load_settings()
