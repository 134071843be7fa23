"""A session whose changes cannot be written, because nothing would hold them together."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session


class WriteInReadSession(Exception):
    """A mistake of ours: something was to be changed, or to be done after a change, in a session that only reads."""

    def __init__(self) -> None:
        super().__init__("This session only reads. Ask for `Session`, or use `database.transaction()`.")


class ReadOnlySession(Session):
    """What SQLAlchemy's asynchronous session runs on, without a way to write objects."""

    def flush(self, objects: Sequence[Any] | None = None) -> None:  # noqa: ARG002 - SQLAlchemy's signature; Any: models
        """Raises `WriteInReadSession`."""
        raise WriteInReadSession
