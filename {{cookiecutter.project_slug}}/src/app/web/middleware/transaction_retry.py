"""Runs a request again whose transaction the database rolled back.

Deadlocks, serialization failures and connections that died while idle are nobody's fault and had no
effect, so the second try is safe: no answer has begun, nothing was committed, and outgoing calls are
not made while a session is open. The body is replayed from memory.
"""

import asyncio
import random

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import Unavailable
from app.persistence.errors import TransactionRolledBack
from app.web.middleware.edge import exchange_of

log = structlog.get_logger()

ATTEMPTS = 3
LONGEST_PAUSE_SECONDS = 0.05


class TransactionRetry:
    """Tries three times in all, then gives up with 503."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = RecordedBody(receive)
        fresh = dict(scope)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self.app(scope, body.replay(), send)
            except TransactionRolledBack as error:
                if exchange_of(scope).has_begun:
                    raise  # a streamed answer: a second try would begin it again
                log.warning("transaction_rolled_back", attempt=attempt, cause=repr(error.__cause__))
            else:
                return
            if attempt < ATTEMPTS:
                await start_over(scope, fresh)
        raise Unavailable(f"The database gave this request up {ATTEMPTS} times. Try again shortly.")


async def start_over(scope: Scope, fresh: Scope) -> None:
    """After a random pause, or two transactions that collided would collide again."""
    await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311 - not a secret
    scope.clear()  # routing left its findings in it; the edge keeps looking at this very dict
    scope.update(fresh)


class RecordedBody:
    """What was received so far, to be received again."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.messages: list[Message] = []

    def replay(self) -> Receive:
        """A `receive` that begins at the first message."""
        position = 0

        async def receive() -> Message:
            nonlocal position
            if position == len(self.messages):
                self.messages.append(await self.receive())
            position += 1
            return self.messages[position - 1]

        return receive
