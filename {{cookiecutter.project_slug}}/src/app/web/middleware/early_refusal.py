"""Refuses before there is a task what load shedding would refuse at once, for half of the cost.

Under overload most are refused, and what refusing costs is missing for answers. So the server's protocol asks here
first. Requests that anything else would be done with take their way through the middlewares.
"""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability.redaction import redact_text
from app.resilience.concurrency_limit import Priority
from app.web.middleware.address_limit import AddressCount
from app.web.middleware.client_address import SCHEMES, ClientAddress
from app.web.middleware.edge import LENGTHS, Concern, Edge, Exchange, Headers, by_name
from app.web.middleware.http_metrics import HttpMetrics
from app.web.middleware.load_shedding import OVERLOADED, Turns, priority_of
from app.web.middleware.request_context import request_id_from
from app.web.middleware.trusted_hosts import HostNames

# Where the lifespan's state has the one that the protocol asks.
EARLY_REFUSAL = "early_refusal"

# A body has to be read, somebody waits for `100 Continue`, and pages may read what CORS lets them read.
NOT_PLAIN = LENGTHS | {b"expect", b"origin"}

# What has to see each request. The others write headers, which are prepared here, and a line that is not written.
COUNTING = (ClientAddress, AddressCount, HttpMetrics)

# Stand in a prepared head where each answer has something of its own.
ID_SLOT, LENGTH_SLOT = b"<id>", b"<length>"


class Refusal(NamedTuple):
    """An answer, but for what the server adds."""

    status: int
    head: bytes
    body: bytes


class EarlyRefusal:
    """Made of the same parts as the middlewares around it, which would have given the same answer.

    Does nothing with a request that comes here: it was asked before.
    """

    def __init__(self, app: ASGIApp, *, at_edge: Sequence[Concern], hosts: HostNames, turns: Turns) -> None:
        self.app = app
        self.hosts = hosts
        self.turns = turns
        self.counting = Edge(app, concerns=[concern for concern in at_edge if isinstance(concern, COUNTING)])
        self.heads = {scheme: prepared_head(Edge(app, concerns=at_edge), scheme) for scheme in SCHEMES}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Hands on what is to be awaited: to await it here would cost each request a microsecond."""
        if scope["type"] == "lifespan":
            scope["state"][EARLY_REFUSAL] = self
        return self.app(scope, receive, send)

    @property
    def has_room(self) -> bool:
        """Whether nobody is refused, which is nearly always."""
        return self.turns.gate.has_room

    def refusal_of(self, scope: Scope) -> Refusal | None:
        """While there is no room: the answer for a request that would be refused at once.

        None for any other, of which nothing was counted.
        """
        priority = priority_of(scope)
        headers = by_name(scope["headers"])
        if not (self.turns.gate.refuses(priority) and self.is_plain(scope, headers)):
            return None
        # Of a copy, because the request may have to begin once more.
        return self.refuse(Exchange({**scope}, headers), priority)

    def is_plain(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Whether no middleware on the way to load shedding would do anything but let it through."""
        return (
            NOT_PLAIN.isdisjoint(headers)
            and scope["path"] not in self.turns.exempt
            and self.hosts.are_asked_by(headers)
        )

    def refuse(self, exchange: Exchange, priority: Priority) -> Refusal | None:
        """Count it as if it had come in, and answer."""
        for begin in self.counting.on_request:
            begin(exchange)
            if exchange.standings:  # too many come from its address, which is another answer
                return None
        self.turns.record_refusal(exchange.scope, priority)
        exchange.status = OVERLOADED.status
        for end in self.counting.on_response_end:
            end(exchange)
        return self.answer(exchange)

    def answer(self, exchange: Exchange) -> Refusal:
        request_id = request_id_from(exchange.request_headers.get(b"x-request-id", b""))
        body = OVERLOADED.body(instance=exchange.scope["path"], request_id=redact_text(request_id))
        slots = {b"id": request_id.encode(), b"length": len(body)}
        return Refusal(OVERLOADED.status, self.heads[exchange.scope["scheme"]] % slots, body)


def prepared_head(edge: Edge, scheme: str) -> bytes:
    """The headers of every refusal, as the edge would send them, with slots."""
    answer = OVERLOADED.response(instance="")
    headers = [(name, LENGTH_SLOT if name == b"content-length" else value) for name, value in answer.raw_headers]
    start: Message = {"type": "http.response.start", "status": answer.status_code, "headers": headers}
    edge.observe(Exchange({"scheme": scheme}, {}, request_id=ID_SLOT.decode()), start)
    lines = header_lines(start["headers"]).replace(b"%", b"%%")
    return lines.replace(ID_SLOT, b"%(id)b").replace(LENGTH_SLOT, b"%(length)d")


def header_lines(headers: Headers) -> bytes:
    """Headers as they are written."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
