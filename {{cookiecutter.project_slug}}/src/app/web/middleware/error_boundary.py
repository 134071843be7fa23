"""The last place where an exception is caught: no stack trace reaches a caller, no crash goes unseen.

Starlette would answer a crash outside all of our middlewares: with no request id, no headers, no CORS.
"""

import asyncio
from collections.abc import Callable

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import ServiceError, Unavailable
from app.web.middleware.edge import Exchange, exchange_of
from app.web.problems import problem_of, type_of

log = structlog.get_logger()


class Stopping(Unavailable):
    """The process ends before the request could be answered."""

    def __init__(self) -> None:
        super().__init__("The service is stopping. Try again: another one takes over.")


class ErrorBoundary:
    """Turns any escaped exception into a problem; one that nobody expected is logged once and reported."""

    def __init__(self, app: ASGIApp, *, report: Callable[[BaseException], None]) -> None:
        self.app = app
        self.report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if exchange.has_begun:
                raise
            # The server stops and waits no longer. It is told nothing: raised, this would be a stack trace in the log.
            exchange.problem = type_of(Stopping)
            await problem_of(Stopping(), instance=scope["path"])(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - this is the boundary
            self.record(error, exchange)
            # Once half an answer is out, only a closed connection tells the caller. The server closes it when we
            # return without an end; raised, the exception would be logged a second time.
            if not exchange.has_begun:
                await problem_of(error, instance=scope["path"])(scope, receive, send)

    def record(self, error: Exception, exchange: Exchange) -> None:
        """Expected errors are the caller's business, and named in the request's line; all others are ours."""
        if isinstance(error, ServiceError):
            exchange.problem = type_of(type(error))
        else:
            log.error("crash", exc_info=error)
            self.report(error)
