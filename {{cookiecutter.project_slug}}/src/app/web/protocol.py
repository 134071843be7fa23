"""HTTP as bytes: bounds what comes before a request is one, and refuses what never becomes one with a problem, too.

uvicorn reads a head of any length for as long as it takes, throws away the rest of a body that nobody reads however
long it is, and answers what is not HTTP in plain text; no middleware ever sees any of it.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.core.ids import new_id
from app.observability.context import begin_request, forget_context
from app.web.middleware.early_refusal import header_lines
from app.web.middleware.security_headers import ONLY_ON_HTTPS, security_headers
from app.web.problems import problem_response
from app.web.refusing import RefusingProtocol

log = structlog.get_logger()

# As much as uvicorn's other parser reads; people's requests have 1 KB.
LONGEST_HEAD_BYTES = 64 * 1024

# Each is looked at by many; people's requests have twenty.
MOST_HEADERS = 200

# From the first byte of a head to its last, as long as a body may take; also for a connection that says nothing.
HEAD_SECONDS = 20.0

# What arrives after the answer is thrown away, so that the connection can serve the next request. Up to here.
LONGEST_REST_BYTES = 1024 * 1024

# Where the lifespan's state has the counter of those that are refused here.
UNREADABLE = "unreadable"

HEADERS = [header for header in security_headers() if header[0] != ONLY_ON_HTTPS]


class HeadTooLong(Exception):
    """Stops the parser; uvicorn then has the request refused."""


class BoundedProtocol(RefusingProtocol):
    """One connection, as far as it is read."""

    __slots__ = ("giving_up", "has_long_head", "has_refused", "head_bytes", "is_in_body", "is_in_head", "rest_bytes")

    def __init__(self, *given: Any, **named: Any) -> None:  # Any: uvicorn's own arguments
        super().__init__(*given, **named)
        self.is_in_head = False
        self.is_in_body = False
        self.has_refused = False
        self.has_long_head = False
        self.head_bytes = 0
        self.rest_bytes = 0
        self.giving_up: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.give_up_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self.go_on()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.go_on()
        self.is_in_head = True
        self.head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MOST_HEADERS:
            self.has_long_head = True
            raise HeadTooLong
        if self.is_in_head:  # what follows a body is no header (RFC 9110, section 6.5.1); uvicorn takes it for one
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        # Counted anew: several heads, or a body and the next head, may arrive in one read.
        self.head_bytes = size_of(self.url, self.headers)
        if self.head_bytes > LONGEST_HEAD_BYTES:
            self.has_long_head = True
            raise HeadTooLong
        self.is_in_head = False
        self.rest_bytes = 0
        self.go_on()
        super().on_headers_complete()
        self.is_in_body = True
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # the parser is deaf to what follows; we answer in HTTP/1.1 and close

    def data_received(self, data: bytes) -> None:
        if self.has_refused:
            self.drop(data)
            return
        self.head_bytes += len(data)  # too many if something else is in there, and then it is counted anew
        super().data_received(data)
        if self.has_refused:
            return
        if self.is_in_head or self.is_idle:
            self.give_up_later()
        if self.is_in_body and self.cycle.response_complete:
            self.bound_rest(data)
        elif (self.is_in_head or self.is_in_body) and self.head_bytes > LONGEST_HEAD_BYTES:
            self.refuse_head()

    @property
    def is_idle(self) -> bool:
        """Though something came: an empty line before a head begins none, and uvicorn waits no longer either."""
        awaits_head = not (self.is_in_head or self.is_in_body or self.is_answering)
        return awaits_head and self.timeout_keep_alive_task is None

    def bound_rest(self, data: bytes) -> None:
        self.rest_bytes += len(data)
        self.give_up_later()
        if self.rest_bytes > LONGEST_REST_BYTES:
            self.close()

    def on_body(self, body: bytes) -> None:
        self.head_bytes = 0  # of what may follow the body like a head, and is kept by the parser
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.is_in_body = False
        self.go_on()
        super().on_message_complete()

    def give_up_later(self) -> None:
        """Unless what is awaited comes in time; more of the same changes nothing."""
        if self.giving_up is None:
            self.giving_up = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def give_up(self) -> None:
        if self.is_in_head:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, f"The headers did not arrive within {HEAD_SECONDS:g} s.")
        else:
            self.close()

    def go_on(self) -> None:
        if self.giving_up is not None:
            self.giving_up.cancel()
            self.giving_up = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - in place of uvicorn's words
        if self.has_long_head or self.head_bytes > LONGEST_HEAD_BYTES:
            self.refuse_head()
        else:
            self.refuse(HTTPStatus.BAD_REQUEST, "This is not HTTP.")

    def refuse_head(self) -> None:
        self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long.")

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answers that are owed for earlier requests come first, or the caller would take this one for theirs."""
        self.has_refused = True
        self.app_state[UNREADABLE].inc()
        self.go_on()
        latest = self.cycle
        has_answered = latest is None or latest.response_complete
        still_answering = not has_answered and not latest.more_body
        if still_answering:
            latest.keep_alive = False  # closes the connection behind its answer
            return
        may_answer = has_answered or not latest.response_started
        if may_answer and not self.pipeline:
            self.transport.write(refusal(status, detail))
        self.close()

    def drop(self, data: bytes) -> None:
        """What is left unread would make the answers that are still owed get lost when we close. Up to a bound."""
        self.rest_bytes += len(data)
        if self.rest_bytes > LONGEST_REST_BYTES:
            self.transport.pause_reading()
            self.flow.read_paused = False  # or uvicorn would read on after the next answer


def size_of(url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Bytes of a head, with what stands between names and values and at the ends of lines."""
    return len(url) + sum([len(name) + len(value) + len(b": \r\n") for name, value in headers])


def refusal(status: HTTPStatus, detail: str) -> bytes:
    """An answer as bytes, with all that the middlewares would have added."""
    request_id = str(new_id())
    begin_request(request_id=request_id, trace_id=new_id().hex)
    log.info("request_unreadable", status=status)
    answer = problem_response(status, instance="/", detail=detail, headers={"Connection": "close"})
    forget_context()
    headers = [*answer.raw_headers, *HEADERS, (b"x-request-id", request_id.encode())]
    return b"".join([STATUS_LINE[status], header_lines(headers), b"\r\n", answer.body])
