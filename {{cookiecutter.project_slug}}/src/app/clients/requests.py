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
    """Somebody put something into a path that would make another path of it."""

    def __init__(self) -> None:
        super().__init__("A name in this request cannot be asked for: it holds a slash, dots alone or the like.")


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
    """Raises `PathRefused` for what leads elsewhere; values that may hold anything are percent-encoded first."""
    segments = set(path.lower().replace("%2e", ".").split("/"))
    if not path.startswith("/") or DOTS & segments or OUTSIDE_OF_PATHS & set(path) or not path.isprintable():
        raise PathRefused
    return path
