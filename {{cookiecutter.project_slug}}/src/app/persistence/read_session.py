"""A session whose changes cannot be written, because nothing would hold them together."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session


class WriteInReadSession(Exception):
    """A mistake of ours: something was added or changed in a session that only reads."""


class ReadOnlySession(Session):
    """What SQLAlchemy's asynchronous session runs on, without a way to write objects."""

    def flush(self, objects: Sequence[Any] | None = None) -> None:  # noqa: ARG002 - SQLAlchemy's signature; Any: models
        """Raises `WriteInReadSession`."""
        raise WriteInReadSession("This session only reads. Ask for `Session`, or use `database.transaction()`.")
