"""A connection that ends: for callers who read nothing, ask for more than they wait for, or have left.

uvicorn keeps what nobody reads for as long as the connection stays open, takes any number of requests before the first
is answered, and tells only the newest of them that the caller has left.
"""

from asyncio import TimerHandle
from contextvars import Context
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Requests that wait behind the one that is being answered. Browsers send none; each one here costs a scope and headers.
MOST_WAITING = 16

# While an answer waits to be read, this much of it has to go in each such time, or all of it: 3 KB a second.
READING_SECONDS = 20.0
LEAST_READ_BYTES = 64 * 1024

NOTHING: Any = {}  # Any: in place of a scope


class TooManyWaiting(Exception):
    """Stops the parser, which would go on to the end of what was read; uvicorn then has the request refused."""


class EndingProtocol(HttpToolsProtocol):
    """One connection, from its first answer on."""

    # With more than thirty attributes in its dictionary each instance would have one of its own shape: 1 KB more.
    __slots__ = ("awaiting_reader", "running")

    def __init__(self, *given: Any, **named: Any) -> None:  # Any: uvicorn's own arguments
        super().__init__(*given, **named)
        self.running: RequestResponseCycle | None = None
        self.awaiting_reader: TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """All who are still being answered hear of it, or they would take it for a crash."""
        self.stop_awaiting_reader()
        super().connection_lost(exc)
        waiting = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        for cycle in waiting if self.running is None else [self.running, *waiting]:
            cycle.disconnected = True
            cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def is_answering(self) -> bool:
        return self.running is not None and not self.running.response_complete

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MOST_WAITING:
            raise TooManyWaiting
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self.forget_request()
        # The timer that is set would keep this context, and with it the task and all that it worked with.
        Context().run(super().on_response_complete)
        if self.transport.is_closing():
            self.await_reader()

    def forget_request(self) -> None:
        """Until the next one comes, nobody asks for it, and of ten thousand idle connections each would hold one."""
        if self.running is None:
            return
        if self.scope is self.running.scope:  # and not that of the next one, whose head is being read
            self.scope = NOTHING
            self.headers = []
            self.url = b""
        self.running.scope = NOTHING
        self.running.body = bytearray()  # which nobody may have read

    def timeout_keep_alive_handler(self) -> None:
        self.close()

    def close(self) -> None:
        """Once everything that was written has been read, but not for ever."""
        self.transport.close()
        self.await_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self.stop_awaiting_reader()

    def await_reader(self) -> None:
        """Unless the caller reads, the connection ends, and what was written is lost."""
        self.stop_awaiting_reader()
        unread = self.transport.get_write_buffer_size()
        self.awaiting_reader = self.loop.call_later(READING_SECONDS, self.check_reader, unread)

    def check_reader(self, unread_before: int) -> None:
        if unread_before - self.transport.get_write_buffer_size() < LEAST_READ_BYTES:
            self.transport.abort()
        else:
            self.await_reader()

    def stop_awaiting_reader(self) -> None:
        if self.awaiting_reader is not None:
            self.awaiting_reader.cancel()
            self.awaiting_reader = None
