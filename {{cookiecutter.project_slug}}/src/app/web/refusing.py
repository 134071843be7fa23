"""A connection that refuses requests before there is a task for them, while more come than can be served."""

from typing import cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.web.connection import EndingProtocol
from app.web.middleware.early_refusal import EARLY_REFUSAL, EarlyRefusal, Refusal, header_lines


class RefusingProtocol(EndingProtocol):
    """One connection, as far as its requests are begun."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.transport.is_closing():
            return  # what came behind the last request that is answered
        refusal = self.refusal_of(cycle)
        if refusal is None:
            self._unset_keepalive_if_required()  # the timer runs if another one was refused a moment ago
            super()._start_asgi_task(cycle, app)
        else:
            self.answer(cycle, refusal)

    def refusal_of(self, cycle: RequestResponseCycle) -> Refusal | None:
        """If it is refused at once. Not the next of the same read, too, or a long read would keep all others waiting.

        Nor when the caller reads no answers: those would be kept without a bound.
        """
        early: EarlyRefusal | None = self.app_state.get(EARLY_REFUSAL)
        if early is None or early.has_room:
            return None
        refused_another = self.timeout_keep_alive_task is not None
        if refused_another or self.flow.write_paused or self.parser.should_upgrade():
            return None
        return early.refusal_of(cast("Scope", cycle.scope))

    def answer(self, cycle: RequestResponseCycle, refusal: Refusal) -> None:
        """What the cycle does when an application answers."""
        self.running = cycle
        cycle.response_started = cycle.response_complete = True
        cycle.on_response = nothing  # as after a task: it would hold this connection, which holds the cycle
        first = STATUS_LINE[refusal.status] + header_lines(self.server_state.default_headers)
        last = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        body = b"" if cycle.scope["method"] == "HEAD" else refusal.body
        self.transport.write(b"".join([first, refusal.head, last, body]))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


def nothing() -> None:
    """There is nothing more to be done."""
