"""Answers 304 to whoever has the present answer already (RFC 9110, sections 13.1.2 and 15.4.5).

JSON that names no version of itself gets an entity tag made from its bytes. Compression, which stands around this,
takes the endings of its own tags away before they are compared here.
"""

import re
from collections.abc import Sequence
from hashlib import sha256

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.middleware.edge import exchange_of

READS = frozenset({"GET", "HEAD"})
OK, NOT_MODIFIED = 200, 304

ETAG = b"etag"
IF_NONE_MATCH = b"if-none-match"

# Weak or strong is all the same here: what stands in the quotes is compared.
OPAQUE_TAG = re.compile(rb'"[!#-~\x80-\xff]*"')

# What describes a body, of which there is none. All else is what a 200 would have said, `Cache-Control` above all.
OF_THE_BODY = frozenset(
    {b"content-encoding", b"content-language", b"content-length", b"content-type", b"last-modified"}
)

# Half of a SHA-256, which takes 7 µs for 10 KB where processors know it; BLAKE2 takes 12, CRC32 2. But whoever may
# write one item of a list could choose it so that the changed list has the CRC32 of the old one.
TAG_DIGITS = 32


class ConditionalRequests:
    """Leaves alone what is not 200, and what is streamed without a tag of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in READS:
            await self.app(scope, receive, send)
            return
        has_seen = IF_NONE_MATCH in exchange_of(scope).request_headers
        await self.app(scope, receive, Answer(send, seen_tags=seen_tags_in(scope) if has_seen else b"").pass_on)


def seen_tags_in(scope: Scope) -> bytes:
    """As the scope has them now, without the endings of compression."""
    return b",".join([value for name, value in scope["headers"] if name == IF_NONE_MATCH])


class Answer:
    """One answer. Its start is held back if its body is to give it a tag."""

    __slots__ = ("is_replaced", "seen_tags", "send", "start")

    def __init__(self, send: Send, *, seen_tags: bytes) -> None:
        self.send = send
        self.seen_tags = seen_tags
        self.start: Message | None = None
        self.is_replaced = False

    async def pass_on(self, message: Message) -> None:
        """Instead of `send`."""
        for each in self.instead_of(message):
            await self.send(each)

    def instead_of(self, message: Message) -> Sequence[Message]:
        """The message itself, nothing for now, or two of them."""
        if self.is_replaced:
            return ()
        if message["type"] == "http.response.start" and message["status"] == OK:
            return self.begin(message)
        if self.start is None:
            return (message,)
        start, self.start = self.start, None
        tag = tag_of(message)
        if tag is None:
            return (start, message)
        start["headers"] = [*start["headers"], (ETAG, tag)]
        return self.without_body(start) if is_seen(tag, self.seen_tags) else (start, message)

    def begin(self, start: Message) -> Sequence[Message]:
        headers = dict(start.get("headers", ()))
        if ETAG in headers:
            return self.without_body(start) if is_seen(headers[ETAG], self.seen_tags) else (start,)
        if can_be_tagged(headers):
            self.start = start
            return ()
        return (start,)

    def without_body(self, start: Message) -> Sequence[Message]:
        """304, and nothing of what is still to come."""
        self.is_replaced = True
        headers = [(name, value) for name, value in start["headers"] if name not in OF_THE_BODY]
        return ({**start, "status": NOT_MODIFIED, "headers": headers}, {"type": "http.response.body"})


def tag_of(message: Message) -> bytes | None:
    """From the whole body, if this is it."""
    body = message.get("body", b"")
    if not body or message.get("more_body", False):
        return None
    return b'"%b"' % sha256(body).hexdigest()[:TAG_DIGITS].encode()


def can_be_tagged(headers: dict[bytes, bytes]) -> bool:
    """JSON that somebody may keep. What the edge adds for all comes later: a private list can be compared."""
    media_type = headers.get(b"content-type", b"").partition(b";")[0]
    return media_type == b"application/json" and b"no-store" not in headers.get(b"cache-control", b"")


def is_seen(tag: bytes, seen_tags: bytes) -> bool:
    """Whether the client has it; `*` stands for whatever there is."""
    if not seen_tags:
        return False
    return seen_tags.strip() == b"*" or tag.removeprefix(b"W/") in OPAQUE_TAG.findall(seen_tags)
