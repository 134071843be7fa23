"""ETag and If-Match: how versions travel over HTTP (RFC 9110, sections 8.8.3 and 13.1.1)."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from app.core.errors import PreconditionRequired
from app.core.versions import SeenVersions

# Only strong tags of ours; a weak one, `W/"3"`, promises less than a change needs.
STRONG_TAG = re.compile(r'"(\d{1,9})"', re.ASCII)


class IfMatchMissing(PreconditionRequired):
    """A change without `If-Match` could undo somebody else's."""

    def __init__(self) -> None:
        super().__init__("Send the ETag of what you have read as If-Match, so that no other change is overwritten.")


async def versions_seen(
    request: Request,
    if_match: Annotated[
        str | None, Header(max_length=200, description="The `ETag` that was read; required.", examples=['"1"'])
    ] = None,
) -> SeenVersions:
    """What the caller has seen. Raises `IfMatchMissing`."""
    if if_match is None:
        raise IfMatchMissing
    seen = ",".join(request.headers.getlist("if-match"))  # several lines are one list (RFC 9110, section 5.3)
    if seen.strip() == "*":
        return SeenVersions(None)
    tags = [STRONG_TAG.fullmatch(tag.strip()) for tag in seen.split(",")]
    return SeenVersions(frozenset(int(tag[1]) for tag in tags if tag))


IfMatch = Annotated[SeenVersions, Depends(versions_seen)]


def set_etag(response: Response, *, version: int) -> None:
    """Name the version that is being answered."""
    response.headers["ETag"] = f'"{version}"'
