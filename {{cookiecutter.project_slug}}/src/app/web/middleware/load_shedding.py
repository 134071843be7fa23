"""Turns requests away while more come than can be answered in time, so that those let in are answered quickly.

A request is in until its answer begins: what streams for hours, or to somebody who reads slowly, takes nobody's place.
"""

import asyncio
import time
from collections.abc import Collection

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability.metrics import Metrics
from app.resilience.adaptive_limit import AdaptiveLimit
from app.resilience.concurrency_limit import ConcurrencyLimit, Overloaded, Priority
from app.resilience.queueing_time import QueueingTime, begin_queueing_time
from app.resilience.shedding_state import SheddingState
from app.web.authentication import credentials_in
from app.web.middleware.edge import announces_body, exchange_of
from app.web.problems import PreparedProblem

log = structlog.get_logger()

# A bound on what is kept: on a busy day, time shortens the line long before it is full (decision 9).
PLACES = 100

# Most bodies come together with their heads.
SLOW_SECONDS = 0.1

# Set in the scope of a request that was turned away: a line in the log for each would cost a third of the refusal.
IS_SHED = "is_shed"

OVERLOADED = PreparedProblem(Overloaded())


class Turns:
    """Who is let in now, later or not at all, and how many were not.

    A turn comes within `queue_seconds` or not at all; nobody waits for one while the first in line has waited for a
    third of it. Requests for `exempt` paths need none.
    """

    def __init__(
        self,
        *,
        exempt: Collection[str],
        most: int,
        queue_seconds: float,
        shedding: SheddingState,
        metrics: Metrics,
    ) -> None:
        self.exempt = exempt
        self.adaptive = AdaptiveLimit(most=most, clock=time.monotonic)
        self.gate = ConcurrencyLimit(
            limit=self.adaptive.value,
            places=PLACES,
            wait_seconds=queue_seconds,
            hopeless_seconds=queue_seconds / 3,
            clock=time.monotonic,
        )
        self.shedding = shedding
        self.shed = {priority: metrics.requests_shed.labels(priority.name.lower()) for priority in Priority}
        measure_gate(self.gate, metrics)

    async def take(self, scope: Scope) -> None:
        """Raises `Overloaded`."""
        if self.gate.try_enter():
            return
        priority = priority_of(scope)
        try:
            await self.gate.wait(priority)
        except Overloaded:
            self.record_refusal(scope, priority)
            raise

    def record_refusal(self, scope: Scope, priority: Priority) -> None:
        """This request was turned away."""
        scope[IS_SHED] = True
        self.shed[priority].inc()
        self.shedding.record_refusal()

    def leave(self, waited: QueueingTime) -> None:
        """Learn from how it went, and make room."""
        if self.adaptive.observe(waited.seconds, in_flight=self.gate.in_flight):
            self.gate.limit = self.adaptive.value
        self.gate.leave()


class LoadShedding:
    """503 for whoever gets no turn."""

    def __init__(self, app: ASGIApp, *, turns: Turns) -> None:
        self.app = app
        self.turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.turns.exempt:
            await self.app(scope, receive, send)
            return
        try:
            await self.turns.take(scope)
        except Overloaded:  # answered here, or each would travel on as an exception, and there are many
            await OVERLOADED.response(instance=scope["path"])(scope, receive, send)
            return
        visit = Visit(self.turns, scope, receive)
        exchange_of(scope).when_begun.append(visit.end)
        try:
            await visit.take_turn_in_loop()
            await self.app(scope, visit.receive if announces_body(scope) else receive, send)
        finally:
            visit.end()


class Visit:
    """One request's, from when it was let in until its answer begins."""

    __slots__ = ("is_aside", "is_over", "scope", "source", "turns", "waited")

    def __init__(self, turns: Turns, scope: Scope, source: Receive) -> None:
        self.turns = turns
        self.scope = scope
        self.source = source
        self.waited = begin_queueing_time()
        self.is_aside = False
        self.is_over = False

    async def take_turn_in_loop(self) -> None:
        """Let all that have arrived be counted before the first of them is served.

        Handlers that wait for nothing would otherwise be run one by one, and their queue, which is the event loop's
        own, would be seen by nobody.
        """
        began = time.monotonic()
        await asyncio.sleep(0)
        self.waited.seconds += time.monotonic() - began

    async def receive(self) -> Message:
        """Who sends a body slowly takes nobody's place meanwhile, or a few of those could keep everybody out."""
        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self.step_aside)
        try:
            message = await self.source()
        finally:
            timer.cancel()
        if self.is_aside:
            await self.step_back()
        return message

    def step_aside(self) -> None:
        if not self.is_over:
            self.is_aside = True
            self.turns.gate.leave()

    async def step_back(self) -> None:
        """Wait for a turn like anybody else: many may have stepped aside."""
        try:
            await self.turns.take(self.scope)
        except Overloaded as error:  # FastAPI makes 400 of whatever else stops it from reading a body
            raise HTTPException(503, str(error), {"Retry-After": str(error.retry_after)}) from None
        self.is_aside = False

    def end(self) -> None:
        if not self.is_over:
            self.is_over = True
            if not self.is_aside:
                self.turns.leave(self.waited)


def priority_of(scope: Scope) -> Priority:
    """By keys that were found good before: anybody can send an `Authorization` header."""
    credentials = credentials_in(scope)
    is_known = credentials is not None and scope["state"]["resources"].callers.recognises(credentials)
    return Priority.AUTHENTICATED if is_known else Priority.ANONYMOUS


def measure_gate(gate: ConcurrencyLimit, metrics: Metrics) -> None:
    """Let the scrape read it, so that requests pay nothing for it."""
    metrics.concurrency_limit.set_function(lambda: gate.limit)
    metrics.concurrency_in_flight.set_function(lambda: gate.in_flight)
    metrics.concurrency_waiting.set_function(lambda: gate.waiting)


def log_begin() -> None:
    log.warning("shedding_began")


def log_end(refused: int) -> None:
    log.warning("shedding_ended", refused=refused)
