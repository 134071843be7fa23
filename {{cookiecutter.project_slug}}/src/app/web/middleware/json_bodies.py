"""Checks bodies that a route reads as JSON: declared as JSON, well-formed, and not nested too deeply.

Python's own parser takes more than RFC 8259 allows (`NaN`, UTF-16) and as many levels as its stack holds, which
differs between versions; what it lets in fails later, as a crash instead of a refusal.
"""

import re

from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.middleware.edge import announces_body

JSON = "application/json"

# The parser's own limit is 201 levels; no body that people write has 20.
TOO_DEEP = "recursion limit"

# Each value is an object in memory and a look of the collector; a megabyte of empty lists would stop the process for
# as long as hundreds of requests take. Counted by what separates values, in texts too: nobody sends so many of them.
MOST_VALUES = 50_000
SEPARATORS = (b"[", b"{", b",")

# `\ud800` alone stands for no character. The grammar allows it, so it is for validation to name the field.
BAD_ESCAPE = "hex escape"
SURROGATE = re.compile(rb"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


class JsonBodies:
    """Refuses the wrong media type with 415 and what is not JSON with 400, before the route sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not announces_body(scope):
            await self.app(scope, receive, send)
            return
        await self.app(scope, CheckedBody(scope, receive).receive, send)


class CheckedBody:
    """One request's. It holds no more than the route is going to hold anyway."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.source = receive
        self.chunks: list[bytes] = []

    async def receive(self) -> Message:
        message = await self.source()
        if message.get("body") or self.chunks:
            self.check(message)
        return message

    def check(self, message: Message) -> None:
        if not expects_json(self.scope):
            return
        if not self.chunks and not is_json(Headers(scope=self.scope).get("content-type", "")):
            raise HTTPException(415, f"This route reads JSON: send Content-Type: {JSON}.", {"Accept": JSON})
        self.chunks.append(message.get("body", b""))
        if message["type"] == "http.request" and not message.get("more_body", False):
            check_json(b"".join(self.chunks))
            self.chunks.clear()


def expects_json(scope: Scope) -> bool:
    """Whether the route that was found reads its body as JSON: forms and raw bodies are not ours."""
    field = getattr(scope.get("route"), "body_field", None)
    return field is not None and field.field_info.media_type == JSON


def is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == JSON or (media_type.startswith("application/") and media_type.endswith("+json"))


def check_json(body: bytes) -> None:
    """Raise `HTTPException` with the reason."""
    if sum(map(body.count, SEPARATORS)) > MOST_VALUES:
        raise HTTPException(413, f"The body holds more than {MOST_VALUES} values, the most that is read here.")
    try:
        parse(body)
    except ValueError as error:
        is_deep = TOO_DEEP in str(error)
        detail = "The body is nested too deeply." if is_deep else "The body is not valid JSON."
        raise HTTPException(400, detail) from None


def parse(body: bytes) -> None:
    """Raise `ValueError` with the parser's words."""
    try:
        from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        if BAD_ESCAPE not in str(error):
            raise
        from_json(SURROGATE.sub(rb"\1?", body), allow_inf_nan=False, cache_strings="none")
