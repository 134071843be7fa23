"""What the servers for development have in common: a child process, a folder of data, a private folder of sockets."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from development.children import Child, ChildFailed

# Told of a child as soon as there is one: a supervisor that is killed a moment later must have it on record.
Started = Callable[[Child, Path | None], None]


def tell_nobody(_child: Child, _sockets: Path | None) -> None:
    """For servers that nobody but their own block looks after."""


class EmbeddedServer(ABC):
    """A server of our own. Its folder holds data and log; with `fast` it goes when we stop."""

    name: ClassVar[str]
    patience_seconds: ClassVar[float]

    def __init__(self, folder: Path, *, fast: bool = False, started: Started = tell_nobody) -> None:
        self.folder = folder.absolute()
        self.fast = fast
        self.sockets: Path | None = None
        self._started = started
        self._child: Child | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """How the service reaches it."""

    @abstractmethod
    def start(self) -> None:
        """Return when it answers. Raises `DevelopmentError`, and leaves nothing running then."""

    @property
    def child(self) -> Child:
        if self._child is None:
            raise ChildFailed(f"{self.name} has not been started.")
        return self._child

    def stop(self) -> None:
        if self._child:
            self._child.end(within_seconds=self.patience_seconds)
        if self.sockets:
            shutil.rmtree(self.sockets, ignore_errors=True)
        if self.fast:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _keep(self, child: Child) -> None:
        self._child = child
        self._started(child, self.sockets)
