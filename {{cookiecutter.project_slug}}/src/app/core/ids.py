"""Identifiers: time-ordered, so that a primary key's index grows at its end."""

from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562)."""
    return uuid7()


def new_id_text() -> str:
    """The same as text. Each request needs two, so none of Python's own UUIDs is made in between."""
    return str(uuid_utils.uuid7())
