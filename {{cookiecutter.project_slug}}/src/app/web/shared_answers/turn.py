"""The turn of one request to answer for all that ask for the same."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from app.cache.found import Found, Load
from app.resilience.deadline import context_without_deadline
from app.web.shared_answers.answers import NotShareable, SharedAnswer, response_of

Ask = Callable[[Load[SharedAnswer]], Coroutine[Any, Any, Found[SharedAnswer]]]  # Any: what it yields to its loop
Share = Callable[[Response], SharedAnswer]


class TurnGivenUp(Exception):
    """Its request has ended without an answer: it is somebody else's turn."""


class Turn:
    """Asks the cache, which answers, or asks back once: then it is this request's turn.

    Whoever has the turn must `answer`, `fail` or `give_up`. `share` says what the others get of its answer, or raises
    `NotShareable`.
    """

    def __init__(self, ask: Ask, *, share: Share) -> None:
        loop = asyncio.get_running_loop()
        self.share = share
        self.is_asked: asyncio.Future[None] = loop.create_future()
        self.answered: asyncio.Future[SharedAnswer] = loop.create_future()
        # Whoever has the turn is what the others wait for: until its own deadline, and no shorter.
        self.asking = loop.create_task(ask(self.be_asked), context=context_without_deadline())

    async def be_asked(self) -> SharedAnswer:
        """By the cache, for everybody."""
        self.is_asked.set_result(None)
        return await self.answered

    async def come(self) -> Found[SharedAnswer] | None:
        """The answer that somebody else has given, or nothing: then the turn has come.

        Raises `TurnGivenUp` and `NotShareable` of the other, or the error that was its answer.
        """
        try:
            first: list[asyncio.Future[Any]] = [self.asking, self.is_asked]  # Any: whichever it is
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.give_up()
            raise
        return None if self.is_asked.done() else self.asking.result()

    async def answer(self, response: Response) -> None:
        """Returns when it is stored."""
        try:
            self.answered.set_result(self.share(response))
        except NotShareable as error:
            self.answered.set_exception(error)
        with suppress(NotShareable):
            await self.asking

    async def fail(self, error: Exception) -> Response:
        """An older answer, if there is one that is better than this error. Raises the error otherwise."""
        self.answered.set_exception(error)
        found = await self.asking
        return response_of(found.value, is_stale=found.is_stale)

    def give_up(self) -> None:
        """If it is not over anyway. Who still waits for the answer asks again."""
        if not self.answered.done():
            self.answered.set_exception(TurnGivenUp())
            self.answered.exception()  # nobody may be left who wants to know
        self.asking.cancel()
