"""What the scenarios have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from performance.connection import Target
from performance.load.outcome import Findings
from performance.machine import memory_bytes
from performance.servers import Running


@dataclass(frozen=True)
class Service:
    """`app serve`, running, with a key that may read our rows."""

    process: Running
    key: str

    def at(self, path: str) -> Target:
        """With the key; what needs none does not look at it."""
        return Target(self.process.port, path, self.key)

    @property
    def memory_bytes(self) -> int:
        return memory_bytes(self.process.pid)


@dataclass(frozen=True)
class Size:
    """How many users, and for how long."""

    users: int
    seconds: float


class Scenario(ABC):
    """A kind of load, and what is demanded of the service under it. Each gets a service of its own."""

    usual: ClassVar[Size]
    # Settings of the service that make the case.
    variables: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    async def run(self, service: Service, size: Size) -> Findings:
        """Make the load and judge what came of it."""
