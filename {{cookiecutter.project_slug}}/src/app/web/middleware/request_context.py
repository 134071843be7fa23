"""Gives each request an id that its log lines, its answer and its problems share."""

import re

from app.core.ids import new_id_text
from app.observability.context import begin_request, forget_context
from app.web.middleware.edge import Concern, Exchange, Headers

# What a caller may choose: enough for every id in use, too little to forge a log line or a header.
WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._-]{8,128}")

# https://www.w3.org/TR/trace-context/#traceparent-header, version 00
TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class RequestContext(Concern):
    """Accepts a well-formed `X-Request-ID` and `traceparent` or makes new ids; binds them, echoes the first."""

    def on_request(self, exchange: Exchange) -> None:
        headers = exchange.request_headers
        exchange.request_id = request_id_from(headers.get(b"x-request-id", b""))
        begin_request(request_id=exchange.request_id, trace_id=trace_id_from(headers.get(b"traceparent", b"")))

    def on_response_start(self, exchange: Exchange, headers: Headers) -> None:
        headers.append((b"x-request-id", exchange.request_id.encode()))

    def on_response_end(self, exchange: Exchange) -> None:  # noqa: ARG002 - the hook's signature
        forget_context()


def request_id_from(header: bytes) -> str:
    return header.decode() if WELL_FORMED_ID.fullmatch(header) else new_id_text()


def trace_id_from(header: bytes) -> str:
    found = TRACEPARENT.fullmatch(header)
    return found[1].decode() if found else new_id_text().replace("-", "")
