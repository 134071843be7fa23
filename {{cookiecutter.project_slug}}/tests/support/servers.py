"""The servers that a test run starts for itself."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from development.postgres import EmbeddedPostgres
from development.valkey import EmbeddedValkey


@dataclass(frozen=True)
class TestServers:
    """Addresses, and how to end what stands behind them."""

    __test__ = False  # not a test case, whatever its name begins with

    database_url: str
    redis_url: str
    stack: ExitStack

    @classmethod
    def start(cls, given: Mapping[str, str]) -> "TestServers":
        """Fresh servers, except those that are given."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="test-servers-")))
            folder.chmod(0o755)  # as root, the database runs as another user
            database_url = given.get("DATABASE_URL") or start_postgres(stack, folder)
            redis_url = given.get("REDIS_URL") or start_valkey(stack, folder)
            return cls(database_url, redis_url, stack.pop_all())

    def stop(self) -> None:
        self.stack.close()


def start_postgres(stack: ExitStack, folder: Path) -> str:
    return stack.enter_context(EmbeddedPostgres(folder / "postgres", fast=True)).url


def start_valkey(stack: ExitStack, folder: Path) -> str:
    return stack.enter_context(EmbeddedValkey(folder / "valkey")).url
