"""Requests to partners, made from what a caller of a client says."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from app.clients.messages import Asked
from app.core.errors import InvalidRequest

IDEMPOTENCY_KEY = "Idempotency-Key"

Json = Any  # whatever orjson writes; None for no body
Query = Mapping[str, str | int] | Sequence[tuple[str, str | int]]

# A path is put together from values now and then, and these would make another request of it.
DOTS = frozenset({".", ".."})
OUTSIDE_OF_PATHS = frozenset("?#\\")


class PathRefused(InvalidRequest):
    """Somebody put something into a path that would make another path of it: unhandled it becomes a 422."""

    def __init__(self) -> None:
        super().__init__(
            "A name in this request cannot be asked for: it holds a slash, a question mark, dots alone or the like."
        )
        # In a traceback: for whoever wrote the call.
        self.add_note("Give a query as `query=`, and percent-encode values in a path.")


def request_for(
    method: str, url: str, *, query: Query, json: Json, headers: Mapping[str, str] | None, idempotency_key: str | None
) -> Asked:
    """The request to send."""
    given = dict(headers or {})
    if json is not None:
        given["Content-Type"] = "application/json"
    if idempotency_key is not None:
        given[IDEMPOTENCY_KEY] = idempotency_key
    body = None if json is None else orjson.dumps(json)
    return Asked(method, f"{url}?{urlencode(query)}" if query else url, tuple(given.items()), body)


def checked_path(path: str) -> str:
    """Raises `PathRefused` for what leads elsewhere, and `ValueError` for what does not begin with `/`.

    Values that may hold anything are percent-encoded first: `f"/items/{quote(name, safe='')}"`. A query is no part of
    it. One is refused like all else that a value may bring along, because nobody can tell the two apart: whoever calls
    us must not be able to make a crash of it.
    """
    if not path.startswith("/"):
        raise ValueError("A path begins with /, and is added to the partner's address.")
    segments = set(path.lower().replace("%2e", ".").split("/"))
    if DOTS & segments or OUTSIDE_OF_PATHS & set(path) or not path.isprintable():
        raise PathRefused
    return path
