"""Compresses answers that are worth it, in the coding that the client prefers.

A coded answer is another representation, so a strong entity tag gets an ending (RFC 9110, section 8.8.3.3):
`"3"` is sent as `"3-gzip"`, and loses the ending when it comes back in If-Match or If-None-Match, before anybody
compares it. Who has seen `"3-gzip"` has seen `"3"` and may change it; the weak tag that nginx makes of it would
never match. If-Range keeps the ending: the parts that we serve are parts of the uncoded file.
"""

import asyncio
import re
from functools import lru_cache

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.content_coding import ENCODERS, IDENTITY, Encoder, Preference, preference
from app.web.middleware.edge import Headers, exchange_of

# Less fits into one packet anyway. More than the second takes longer than a millisecond: not in the event loop.
SMALLEST_BYTES = 1024
LARGE_BYTES = 64 * 1024

# Events must not wait in an encoder, nor in a proxy that waits for more of the coded stream.
COMPRESSIBLE = re.compile(
    rb"(text/(?!event-stream)|application/([\w.-]+\+)?(json|jsonl|x-ndjson|xml|javascript|wasm)|image/svg\+xml)",
    re.IGNORECASE,
)

NO_CONTENT, PARTIAL_CONTENT, NOT_MODIFIED = 204, 206, 304
UNCODED = frozenset({NO_CONTENT, PARTIAL_CONTENT})

ACCEPT_ENCODING = b"accept-encoding"
CONDITIONS = (b"if-match", b"if-none-match")
CODED_TAG = re.compile(rb'(?<!W/)("[^"]*)-(?:' + "|".join(ENCODERS).encode() + rb')"')


class Compression:
    """Leaves alone what is small, coded already, a part, or a stream of events."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = exchange_of(scope).request_headers
        accepted = headers.get(ACCEPT_ENCODING, b"")
        seen_tags = b",".join([headers[name] for name in CONDITIONS if name in headers])
        if seen_tags:
            scope["headers"] = [(name, without_ending(value, of=name)) for name, value in scope["headers"]]
        answer = Answer(send, wanted=preference(accepted.decode("latin-1")), seen_tags=seen_tags.decode("latin-1"))
        await self.app(scope, receive, answer.pass_on)


class Answer:
    """One answer. Its start is held back until the first piece of its body says how large it is."""

    def __init__(self, send: Send, *, wanted: Preference, seen_tags: str) -> None:
        self.send = send
        self.wanted = wanted
        self.seen_tags = seen_tags
        self.start: Message | None = None
        self.encoder: Encoder | None = None

    async def pass_on(self, message: Message) -> None:
        """Instead of `send`."""
        if message["type"] == "http.response.start":
            message["headers"] = list(message.get("headers", ()))
            if self.may_code(message):
                self.start = message
                return
        elif self.start:
            start, self.start = self.start, None
            if self.is_worth_it(message):
                message = await self.code(start, message)
            await self.send(start)
        elif self.encoder:
            message = {**message, "body": await encode(self.encoder, message)}
        await self.send(message)

    def may_code(self, start: Message) -> bool:
        """Whether the first piece of the body is to decide. All answers that anybody gets coded say so."""
        is_candidate = can_be_coded(start["status"], dict(start["headers"]))
        if is_candidate:
            add_vary(start["headers"])
        elif start["status"] == NOT_MODIFIED:
            describe_copy(MutableHeaders(raw=start["headers"]), self.seen_tags)
        return is_candidate and self.wanted.coding != IDENTITY

    def is_worth_it(self, first: Message) -> bool:
        is_whole = not first.get("more_body", False)
        return not is_whole or len(first.get("body", b"")) >= (1 if self.wanted.needs_coding else SMALLEST_BYTES)

    async def code(self, start: Message, first: Message) -> Message:
        """From the first piece on; the start says so."""
        self.encoder = ENCODERS[self.wanted.coding]()
        coded = await encode(self.encoder, first)
        size = None if first.get("more_body", False) else len(coded)
        describe(MutableHeaders(raw=start["headers"]), coding=self.wanted.coding, size=size)
        return {**first, "body": coded}


async def encode(encoder: Encoder, message: Message) -> bytes:
    """One piece, in a thread if it is large."""
    body = message.get("body", b"")
    work = encoder.feed if message.get("more_body", False) else encoder.finish
    return await asyncio.to_thread(work, body) if len(body) > LARGE_BYTES else work(body)


def can_be_coded(status: int, headers: dict[bytes, bytes]) -> bool:
    """Whether some client gets this answer coded."""
    return (
        is_compressible(headers.get(b"content-type", b""))
        and status not in UNCODED
        and b"content-encoding" not in headers
        and b"no-transform" not in headers.get(b"cache-control", b"")
    )


@lru_cache(128)
def is_compressible(content_type: bytes) -> bool:
    return COMPRESSIBLE.match(content_type) is not None


def add_vary(headers: Headers) -> None:
    """Also to what is not coded: a cache must not give it to a client that wants it coded, or the other way round."""
    if any(name == b"vary" for name, _ in headers):
        MutableHeaders(raw=headers).add_vary_header("Accept-Encoding")
    else:
        headers.append((b"vary", b"Accept-Encoding"))


def describe(headers: MutableHeaders, *, coding: str, size: int | None) -> None:
    """Say what was done; the size of a stream is not known."""
    headers["content-encoding"] = coding
    del headers["content-length"]
    if size is not None:
        headers["content-length"] = str(size)
    if "etag" in headers:
        headers["etag"] = with_ending(headers["etag"], coding)


def with_ending(tag: str, coding: str) -> str:
    """A weak tag stands for all codings as it is."""
    return tag if tag.startswith("W/") else f'{tag[:-1]}-{coding}"'


def without_ending(value: bytes, *, of: bytes) -> bytes:
    return CODED_TAG.sub(rb'\1"', value) if of in CONDITIONS else value


def describe_copy(headers: MutableHeaders, seen_tags: str) -> None:
    """A cache knows the copy that is still right by the tag that came with it."""
    headers.add_vary_header("Accept-Encoding")
    tag = headers.get("etag", "")
    if tag:
        headers["etag"] = next((coded for coding in ENCODERS if (coded := with_ending(tag, coding)) in seen_tags), tag)
