"""Optimistic concurrency: a change is made to the version that its author has seen, or not at all."""

from dataclasses import dataclass

from app.core.errors import PreconditionFailed


class VersionChanged(PreconditionFailed):
    """Somebody else was faster."""

    def __init__(self) -> None:
        super().__init__("This has been changed meanwhile: read it again and decide anew.")


@dataclass(frozen=True)
class SeenVersions:
    """The versions that a caller has seen and agrees to change; `None` agrees to any."""

    numbers: frozenset[int] | None

    def require(self, version: int) -> None:
        """Return if the caller has seen this version. Raises `VersionChanged`."""
        if self.numbers is not None and version not in self.numbers:
            raise VersionChanged
