"""Runs the light concerns around every request: those that only read it and touch headers.

As separate middlewares each would wrap `send` and scan the headers anew. One edge does that once
and calls them in order, and each concern still has a file of its own.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

# The caller went away before an answer began; nginx's number for it.
CLIENT_CLOSED_REQUEST = 499


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as the concerns see it."""

    scope: Scope
    request_headers: dict[bytes, bytes]
    request_id: str = ""
    status: int = CLIENT_CLOSED_REQUEST
    bytes_sent: int = 0
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since the request arrived."""
        return time.perf_counter() - self.began

    @property
    def route(self) -> str:
        """The route's template, or `unmatched`: a raw path would make a metric or a log field without bound."""
        return getattr(self.scope.get("route"), "path", "unmatched")


class Concern:
    """Something to do before and after a request. Each hook does nothing unless overridden."""

    def on_request(self, exchange: Exchange) -> None:
        """Before anything else sees the request."""

    def on_response_start(self, exchange: Exchange, headers: Headers) -> None:
        """Before the first byte of the answer; `headers` may be added to."""

    def on_response_end(self, exchange: Exchange) -> None:
        """After the last byte, or when the request was abandoned."""


class Edge:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, *, concerns: Sequence[Concern]) -> None:
        self.app = app
        self.concerns = concerns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, dict(scope["headers"]))
        for concern in self.concerns:
            concern.on_request(exchange)

        async def send_through(message: Message) -> None:
            self.observe(exchange, message)
            await send(message)

        try:
            await self.app(scope, receive, send_through)
        finally:
            for concern in reversed(self.concerns):
                concern.on_response_end(exchange)

    def observe(self, exchange: Exchange, message: Message) -> None:
        """Note what is being answered, and let the concerns add headers."""
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            headers = message["headers"] = list(message.get("headers", ()))
            for concern in self.concerns:
                concern.on_response_start(exchange, headers)
        elif message["type"] == "http.response.body":
            exchange.bytes_sent += len(message.get("body", b""))
