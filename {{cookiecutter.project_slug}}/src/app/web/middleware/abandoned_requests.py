"""Stops working for callers who have gone away, where stopping leaves nothing half done."""

import asyncio
from collections import deque

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.middleware.edge import announces_body, exchange_of

# What only reads may be stopped anywhere. Changes are finished: their callers may come back to look for the outcome.
SAFE = frozenset({"GET", "HEAD"})

# Most requests are answered before it pays to look.
QUICK_SECONDS = 0.1


class AbandonedRequests:
    """Cancels a GET or HEAD whose caller closes the connection before the answer begins."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in SAFE or announces_body(scope):
            await self.app(scope, receive, send)
            return
        watch = Watch(receive)
        exchange_of(scope).when_begun.append(watch.end)
        try:
            await self.app(scope, watch.receive, send)
        except asyncio.CancelledError:
            if not watch.has_cancelled():
                raise  # somebody else wants it to end, and is told that it did
        finally:
            watch.end()


class Watch:
    """Looks out for the end of one connection, from a moment after the request's arrival until the answer begins."""

    __slots__ = ("is_abandoned", "looking", "source", "timer", "unread", "work")

    def __init__(self, source: Receive) -> None:
        self.source = source
        self.unread: deque[Message] = deque()
        self.is_abandoned = False
        self.work = asyncio.current_task()
        self.looking: asyncio.Task[None] | None = None
        self.timer = asyncio.get_running_loop().call_later(QUICK_SECONDS, self.begin)

    def begin(self) -> None:
        self.looking = asyncio.create_task(self.look())

    async def look(self) -> None:
        """What comes before the end is kept for whoever asks for it."""
        while (message := await self.source())["type"] != "http.disconnect":
            self.unread.append(message)
        self.is_abandoned = True
        if self.work:
            self.work.cancel()

    async def receive(self) -> Message:
        return self.unread.popleft() if self.unread else await self.source()

    def end(self) -> None:
        self.timer.cancel()
        if self.looking:
            self.looking.cancel()

    def has_cancelled(self) -> bool:
        """Whether this alone has cancelled the work, which is then no longer cancelled."""
        return self.is_abandoned and self.work is not None and not self.work.uncancel()
