"""Runs the light concerns around every request: those that only read it and touch headers.

As separate middlewares each would wrap `send` and scan the headers anew. One edge does that once
and calls them in order, and each concern still has a file of its own.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.rates import Standing

Headers = list[tuple[bytes, bytes]]

# The caller went away before an answer began; nginx's number for it.
CLIENT_CLOSED_REQUEST = 499

# Where the scope has it.
EXCHANGE = "app.exchange"

LENGTHS = frozenset({b"content-length", b"transfer-encoding"})


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as the concerns see it, and every middleware inside by `exchange_of`.

    What `when_begun` holds is called as soon as the answer begins, so that nobody has to wrap `send` to see that.
    """

    scope: Scope
    request_headers: dict[bytes, bytes]
    request_id: str = ""
    status: int = CLIENT_CLOSED_REQUEST
    bytes_sent: int = 0
    # Why it failed, by the name that callers are given.
    problem: str | None = None
    has_begun: bool = False
    when_begun: list[Callable[[], None]] = field(default_factory=list)
    # What the request was counted in so far, by the limit's name; also when it is run again.
    standings: dict[str, Standing] = field(default_factory=dict)
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
        self.on_request = hooks(concerns, "on_request")
        self.on_response_start = hooks(concerns, "on_response_start")
        self.on_response_end = hooks(reversed(concerns), "on_response_end")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = scope[EXCHANGE] = Exchange(scope, by_name(scope["headers"]))
        for begin in self.on_request:
            begin(exchange)

        async def send_through(message: Message) -> None:
            self.observe(exchange, message)
            await send(message)

        try:
            await self.app(scope, receive, send_through)
        finally:
            for end in self.on_response_end:
                end(exchange)
            # Some servers keep the scope for as long as the connection is open, and with it all that this one holds.
            del scope[EXCHANGE]

    def observe(self, exchange: Exchange, message: Message) -> None:
        """Note what is being answered, and let the concerns add headers."""
        if message["type"] == "http.response.start":
            exchange.has_begun = True
            exchange.status = message["status"]
            for act in exchange.when_begun:
                act()
            headers = message["headers"] = list(message.get("headers", ()))
            for add in self.on_response_start:
                add(exchange, headers)
        elif message["type"] == "http.response.body":
            exchange.bytes_sent += len(message.get("body", b""))


def hooks(concerns: Iterable[Concern], name: str) -> list[Callable[..., None]]:
    """Those that do something: asking the others for nothing, too, would cost as much as one of them does."""
    idle = getattr(Concern, name)
    return [getattr(concern, name) for concern in concerns if getattr(type(concern), name) is not idle]


def exchange_of(scope: Scope) -> Exchange:
    """What the edge knows of this request."""
    found: Exchange = scope[EXCHANGE]
    return found


def by_name(headers: Headers) -> dict[bytes, bytes]:
    """For looking up. Several lines of one name are one list (RFC 9110, section 5.3)."""
    found = dict(headers)
    if len(found) == len(headers):
        return found
    lines: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        lines.setdefault(name, []).append(value)
    return {name: b", ".join(values) for name, values in lines.items()}


def announces_body(scope: Scope) -> bool:
    """Without either header a request ends with its head (RFC 9112, section 6.3), and nothing of a body comes."""
    return not LENGTHS.isdisjoint(exchange_of(scope).request_headers)
