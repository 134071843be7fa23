"""Pages of a list: keyset pagination with cursors that callers cannot read or forge.

A cursor names the last row of a page. Unlike a page number it stays right while rows are inserted,
and the database finds it in an index instead of counting rows.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from app.core.errors import InvalidRequest

SIGNATURE_BYTES = 8
UUID_BYTES = 16


class ListItem(BaseModel):
    """Anything that is listed: it has a time-ordered key."""

    id: UUID


Item = TypeVar("Item", bound=ListItem)

Limit = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """A part of a list, and where it goes on."""

    items: list[Item]
    next_cursor: str | None


class PageRequest:
    """Which part of a list a caller wants: at most `limit` rows, from after the row `after` on.

    Ask the database for `wanted` of them, one more than is shown: that one tells whether the list goes on.
    """

    def __init__(self, cursors: "Cursors", *, limit: int, cursor: str | None) -> None:
        self.cursors = cursors
        self.limit = limit
        self.after = cursors.read(cursor) if cursor else None

    @property
    def wanted(self) -> int:
        """How many rows to ask for."""
        return self.limit + 1

    def page(self, items: list[Item]) -> Page[Item]:
        """What is shown of those that were found."""
        return self.cursors.page(items, limit=self.limit)


class Cursors:
    """Makes cursors and reads them back."""

    def __init__(self, secret_key: bytes) -> None:
        self.secret_key = secret_key

    def point_at(self, last: UUID) -> str:
        """The cursor of the page that begins after this row."""
        return urlsafe_b64encode(last.bytes + self.signature(last.bytes)).rstrip(b"=").decode()

    def page(self, items: list[Item], *, limit: int) -> Page[Item]:
        """The first `limit` items, whose key is `id`. Ask the database for one more, to know if the list goes on."""
        has_more = len(items) > limit
        shown = items[:limit]
        return Page(items=shown, next_cursor=self.point_at(shown[-1].id) if has_more else None)

    def read(self, cursor: str) -> UUID:
        """The row that a cursor names. Raises `InvalidCursor`."""
        try:
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise InvalidCursor from None
        row, signature = data[:UUID_BYTES], data[UUID_BYTES:]
        if not hmac.compare_digest(signature, self.signature(row)):
            raise InvalidCursor
        return UUID(bytes=row)

    def signature(self, row: bytes) -> bytes:
        return hmac.digest(self.secret_key, b"cursor" + row, "sha256")[:SIGNATURE_BYTES]


class InvalidCursor(InvalidRequest):
    """The cursor is not one of ours."""

    def __init__(self) -> None:
        super().__init__("This cursor is not valid: use `next_cursor` of an earlier page, unchanged.")
