"""An answer that more than one request may get."""

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from app.core.identity import service_identity

OK = 200

# What is counted anew for each.
NOT_SHARED = frozenset({b"content-length"})

# Said once, for one request.
FOR_ONE = frozenset({b"set-cookie"})


class NotShareable(Exception):
    """An answer for one request only: whoever else asks is answered by itself."""


class SharedAnswer(BaseModel):
    """What the route said; what the middlewares add, they add for each request."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    headers: list[tuple[str, str]]
    body: bytes


def to_share(response: Response, *, varies: frozenset[str]) -> SharedAnswer:
    """Raises `NotShareable` for a stream or a file, for what is not 200, and for what depends on more than is known."""
    body = getattr(response, "body", None)
    if body is None or response.status_code != OK or not is_for_several(response, varies):
        raise NotShareable
    kept = [(name, value) for name, value in response.raw_headers if name not in NOT_SHARED]
    return SharedAnswer(
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in kept], body=bytes(body)
    )


def is_for_several(response: Response, varies: frozenset[str]) -> bool:
    headers = response.headers
    if FOR_ONE & {name for name, _ in response.raw_headers} or "no-store" in headers.get("cache-control", ""):
        return False
    return {name.strip().lower() for name in headers.get("vary", "").split(",") if name} <= varies


def response_of(answer: SharedAnswer, *, is_stale: bool) -> Response:
    """The same again, and a word on where it comes from (RFC 9211)."""
    response = Response(answer.body, OK)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    status = f"{service_identity().name}; hit{'; detail=stale' if is_stale else ''}"
    response.raw_headers = [*response.raw_headers, *headers, (b"cache-status", status.encode())]
    return response
