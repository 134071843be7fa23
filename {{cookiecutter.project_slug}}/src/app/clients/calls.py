"""One partner's calls: each kept within a policy, counted, and its failure put into our own words."""

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from app.clients.errors import (
    PartnerBusy,
    PartnerFailed,
    PartnerNotAsked,
    PartnerNotConfigured,
    PartnerSlow,
    PartnerUnavailable,
)
from app.clients.ledger import Ledger
from app.clients.messages import Answer, Asked, Received
from app.clients.propagation import context_headers
from app.clients.requests import IDEMPOTENCY_KEY
from app.clients.retry_after import seconds_to_wait
from app.core.errors import DeadlineExceeded, Unavailable
from app.resilience.attempt import AttemptTimedOut
from app.resilience.bulkhead import BulkheadFull
from app.resilience.circuit_breaker import CircuitOpen
from app.resilience.deadline import SECONDS_TO_GO_ON, remaining
from app.resilience.policy import Guard
from app.resilience.single_flight import RunCancelled, SingleFlight

# Doing them twice is as good as once: RFC 9110, section 9.2.2.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

TOO_MANY_REQUESTS = 429
FIRST_SERVER_ERROR = 500


class Line(Protocol):
    """What a request goes out on: see `connections.py`, which is not imported before something is called."""

    async def ask(self, asked: Asked, *, headers: Mapping[str, str], most_bytes: int) -> Received: ...


class Nowhere:
    """The line to a partner whose address nobody has set."""

    def __init__(self, partner: str) -> None:
        self.partner = partner

    async def ask(self, asked: Asked, *, headers: Mapping[str, str], most_bytes: int) -> Received:  # noqa: ARG002 - asks nobody
        raise PartnerNotConfigured(self.partner)


class Calls:
    """Over a line that others may share, as the guard's policy says.

    Idempotent methods may be tried again, and others with an `Idempotency-Key`.
    """

    def __init__(self, guard: Guard, *, line: Line, ledger: Ledger, most_bytes: int) -> None:
        self.guard = guard
        self.line = line
        self.ledger = ledger
        self.most_bytes = most_bytes
        self.flights: SingleFlight[Asked, Answer] = SingleFlight()

    async def call(self, asked: Asked) -> Answer:
        """Any answer below 500 but 429. Raises `PartnerUnavailable`."""
        began = time.perf_counter()
        try:
            answer = await self.in_time(asked)
        except PartnerUnavailable as failure:
            self.ledger.record_failure(failure, time.perf_counter() - began)
            raise
        self.ledger.record_answer(time.perf_counter() - began)
        return answer

    async def in_time(self, asked: Asked) -> Answer:
        """The request that this is for must not be over when its partner is given up."""
        seconds = remaining() - SECONDS_TO_GO_ON
        if seconds >= self.guard.policy.deadline_seconds:
            return await self.once_for_all(asked)
        if seconds <= 0:
            raise PartnerNotAsked(self.ledger.partner, cause="the request has no time left")
        try:
            async with asyncio.timeout(seconds):
                return await self.once_for_all(asked)
        except TimeoutError:
            failure = PartnerSlow(self.ledger.partner, cause="the request's own deadline")
            self.ledger.tell(failure, asked, seconds=seconds)
            raise failure from None

    async def once_for_all(self, asked: Asked) -> Answer:
        """Identical reads that come at the same time are one."""
        if asked.method != "GET":
            return await self.guarded(asked)
        try:
            return await self.flights.run(asked, partial(self.guarded, asked))
        except RunCancelled:
            raise PartnerSlow(self.ledger.partner, cause="an identical call was interrupted") from None

    async def guarded(self, asked: Asked) -> Answer:
        """As the policy says. Its failure is told here: once, however many wait for it."""
        is_repeatable = asked.method in IDEMPOTENT or any(name == IDEMPOTENCY_KEY for name, _ in asked.headers)
        began = time.perf_counter()
        try:
            return await self.guard.call(partial(self.send, asked), is_repeatable=is_repeatable)
        except (Unavailable, DeadlineExceeded) as error:
            failure = self.in_our_words(error)
            self.ledger.tell(failure, asked, seconds=time.perf_counter() - began)
            raise failure from None

    async def send(self, asked: Asked) -> Answer:
        """Once."""
        headers = dict(asked.headers) | context_headers()
        received = await self.line.ask(asked, headers=headers, most_bytes=self.most_bytes)
        self.refuse_failure(received)
        on_unreadable = partial(self.ledger.record_unreadable, asked)
        return Answer(self.ledger.partner, received.status, received.headers, received.body, on_unreadable)

    def refuse_failure(self, received: Received) -> None:
        """Raises `PartnerFailed` or `PartnerBusy`."""
        if received.status == TOO_MANY_REQUESTS:
            raise PartnerBusy(self.ledger.partner, wait_seconds=seconds_to_wait(received.headers))
        if received.status >= FIRST_SERVER_ERROR:
            wait_seconds, cause = seconds_to_wait(received.headers), f"status {received.status}"
            raise PartnerFailed(self.ledger.partner, cause=cause, wait_seconds=wait_seconds)

    def in_our_words(self, error: Unavailable | DeadlineExceeded) -> PartnerUnavailable:
        """One tree for whatever kept us from an answer."""
        partner = self.ledger.partner
        match error:
            case PartnerUnavailable():
                return error
            case CircuitOpen():
                return PartnerNotAsked(partner, cause="its circuit is open", retry_after=error.retry_after)
            case BulkheadFull():
                return PartnerNotAsked(partner, cause="too many calls are under way", retry_after=error.retry_after)
            case AttemptTimedOut():
                return PartnerSlow(partner)
            case DeadlineExceeded():
                return PartnerNotAsked(partner, cause="it stood in line for all of its time")
        raise error
