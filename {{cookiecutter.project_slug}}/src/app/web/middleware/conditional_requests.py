"""Answers 304 to whoever has the present answer already (RFC 9110, sections 13.1.2 and 15.4.5).

JSON that names no version of itself gets an entity tag made from its bytes. Compression, which stands around this,
takes the endings of its own tags away before they are compared here.
"""

import re
from hashlib import sha256

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.middleware.edge import Headers

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
        seen_tags = b",".join([value for name, value in scope["headers"] if name == IF_NONE_MATCH])
        await self.app(scope, receive, Answer(send, seen_tags=seen_tags).pass_on)


class Answer:
    """One answer. Its start is held back if its body is to give it a tag."""

    def __init__(self, send: Send, *, seen_tags: bytes) -> None:
        self.send = send
        self.seen_tags = seen_tags
        self.start: Message | None = None
        self.is_replaced = False

    async def pass_on(self, message: Message) -> None:
        """Instead of `send`."""
        if message["type"] == "http.response.start":
            await self.begin(message)
        elif self.is_replaced:
            return
        elif self.start:
            start, self.start = self.start, None
            await self.tag(start, message)
        else:
            await self.send(message)

    async def begin(self, start: Message) -> None:
        headers = dict(start.get("headers", ())) if start["status"] == OK else {}
        if ETAG in headers and is_seen(headers[ETAG], self.seen_tags):
            await self.replace(start)
        elif ETAG not in headers and can_be_tagged(headers):
            self.start = start
        else:
            await self.send(start)

    async def tag(self, start: Message, message: Message) -> None:
        """From the whole body, if this is it."""
        body = message.get("body", b"")
        if body and not message.get("more_body", False):
            tag = b'"%b"' % sha256(body).hexdigest()[:TAG_DIGITS].encode()
            start = {**start, "headers": [*start["headers"], (ETAG, tag)]}
            if is_seen(tag, self.seen_tags):
                await self.replace(start)
                return
        await self.send(start)
        await self.send(message)

    async def replace(self, start: Message) -> None:
        """By an answer without a body."""
        self.is_replaced = True
        await self.send({**start, "status": NOT_MODIFIED, "headers": without_body(start["headers"])})
        await self.send({"type": "http.response.body"})


def can_be_tagged(headers: dict[bytes, bytes]) -> bool:
    """JSON that somebody may keep. What the edge adds for all comes later: a private list can be compared."""
    media_type = headers.get(b"content-type", b"").partition(b";")[0]
    return media_type == b"application/json" and b"no-store" not in headers.get(b"cache-control", b"")


def is_seen(tag: bytes, seen_tags: bytes) -> bool:
    """Whether the client has it; `*` stands for whatever there is."""
    if not seen_tags:
        return False
    return seen_tags.strip() == b"*" or tag.removeprefix(b"W/") in OPAQUE_TAG.findall(seen_tags)


def without_body(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name not in OF_THE_BODY]
