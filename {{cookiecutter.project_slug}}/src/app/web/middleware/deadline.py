"""Gives every request a time by which its answer must have begun; then its work is cancelled.

What streams its answer, or sends it to somebody who reads slowly, may take as long as it likes after that. The time
in which the body arrives does not count either: `body_limit.py` limits it.
"""

import re
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import ServiceError
from app.resilience.deadline import Deadline
from app.web.middleware.edge import announces_body, exchange_of

HEADER = b"x-request-timeout"

# Seconds, with a decimal point or without, and more than none at all.
SECONDS = re.compile(rb"(?=.*[1-9])\d{1,6}(\.\d{1,6})?")


class TimeoutUnreadable(ServiceError):
    """`X-Request-Timeout` is not a number of seconds."""

    def __init__(self) -> None:
        super().__init__("Send X-Request-Timeout as a number of seconds above 0, such as 2.5, or do not send it.")


class Deadlines:
    """504 after `seconds`, or after those that the caller sends as `X-Request-Timeout` if they are fewer.

    Requests for `exempt` paths have no end of their own.
    """

    def __init__(self, app: ASGIApp, *, seconds: float, exempt: Collection[str]) -> None:
        self.app = app
        self.exempt = exempt
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        with Deadline(self.budget(scope)) as deadline:
            exchange_of(scope).when_begun.append(deadline.lift)
            if announces_body(scope):
                receive = UncountedBody(receive, deadline).receive
            await self.app(scope, receive, send)

    def budget(self, scope: Scope) -> float:
        """Seconds. Raises `TimeoutUnreadable`."""
        asked = exchange_of(scope).request_headers.get(HEADER)
        return self.seconds if asked is None else min(self.seconds, *map(seconds_from, asked.split(b", ")))


def seconds_from(header: bytes) -> float:
    if not SECONDS.fullmatch(header):
        raise TimeoutUnreadable
    return float(header)


class UncountedBody:
    """While the caller sends, the clock stands still."""

    def __init__(self, source: Receive, deadline: Deadline) -> None:
        self.source = source
        self.deadline = deadline
        self.is_complete = False

    async def receive(self) -> Message:
        if self.is_complete:
            return await self.source()
        self.deadline.pause()
        try:
            message = await self.source()
        finally:
            self.deadline.resume()
        self.is_complete = not message.get("more_body", False)
        return message
