"""Identifiers: time-ordered, so that a primary key's index grows at its end."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562)."""
    return uuid7()
