"""Callers who go on calling while something happens to the service, and remember every answer."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from app.core.ids import new_id

END_SECONDS = 60.0

# More than the service takes for any answer, so that its own time limits are seen and not ours.
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Call:
    """What one caller asks again and again, so often in a second at most; over a new connection each time, or not.

    `make_body` gives each request one of its own. A persistent caller sends a request that failed again, with the
    same `Idempotency-Key`, until it is done.
    """

    method: str
    path: str
    body: Any = None
    make_body: Callable[[], Any] | None = None
    connects_anew: bool = False
    is_persistent: bool = False
    per_second: float = 25.0

    def next_request(self) -> dict[str, Any]:
        """What is sent once or, by a persistent caller, until it is done."""
        body = self.make_body() if self.make_body else self.body
        headers = {"Idempotency-Key": str(new_id())} if self.is_persistent else {}
        return {"method": self.method, "url": self.path, "json": body, "headers": headers}


@dataclass(frozen=True)
class Outcome:
    """Of one request. Times are those of `time.monotonic`. A refusal is kept with its words."""

    call: Call
    began: float
    seconds: float
    status: int | None
    error: str = ""
    sent: Any = None
    refusal: httpx2.Response | None = None

    @property
    def ended(self) -> float:
        return self.began + self.seconds

    @property
    def is_done(self) -> bool:
        return self.status is not None and self.status < httpx2.codes.BAD_REQUEST


@dataclass
class SteadyLoad:
    """What was answered so far; a list that one thread adds to."""

    outcomes: list[Outcome] = field(default_factory=list)
    is_over: bool = False

    def statuses(self) -> Counter[int | str]:
        return Counter(outcome.status or outcome.error for outcome in self.outcomes)

    def between(self, start: float, end: float) -> list[Outcome]:
        """Those that began then."""
        return [outcome for outcome in self.outcomes if start <= outcome.began < end]


@contextmanager
def steady_load(url: str, calls: Sequence[Call], *, headers: Mapping[str, str]) -> Iterator[SteadyLoad]:
    """One caller for each call, until the block ends and their last answers are there."""
    load = SteadyLoad()
    thread = threading.Thread(target=lambda: asyncio.run(call_all(load, url, calls, headers)), daemon=True)
    thread.start()
    try:
        yield load
    finally:
        load.is_over = True
        thread.join(END_SECONDS)
        assert not thread.is_alive(), "some callers still wait for their answers"


async def call_all(load: SteadyLoad, url: str, calls: Sequence[Call], headers: Mapping[str, str]) -> None:
    await asyncio.gather(*(call_again(load, url, call, headers) for call in calls))


async def call_again(load: SteadyLoad, url: str, call: Call, headers: Mapping[str, str]) -> None:
    closing = {"Connection": "close"} if call.connects_anew else {}
    always = {**headers, **closing}
    async with httpx2.AsyncClient(base_url=url, headers=always, timeout=PATIENCE_SECONDS) as client:
        while not load.is_over:
            request = call.next_request()
            outcome = await ask(load, client, call, request)
            while call.is_persistent and not outcome.is_done:
                outcome = await ask(load, client, call, request)


async def ask(load: SteadyLoad, client: httpx2.AsyncClient, call: Call, request: dict[str, Any]) -> Outcome:
    """Once; then wait until it may be asked again."""
    outcome = await outcome_of(client, call, request)
    load.outcomes.append(outcome)
    await asyncio.sleep(max(0.0, 1 / call.per_second - outcome.seconds))
    return outcome


async def outcome_of(client: httpx2.AsyncClient, call: Call, request: dict[str, Any]) -> Outcome:
    began = time.monotonic()
    sent = request["json"]
    try:
        response = await client.request(**request)
    except httpx2.TransportError as error:
        return Outcome(call, began, time.monotonic() - began, None, repr(error), sent)
    refusal = response if response.is_error else None
    return Outcome(call, began, time.monotonic() - began, response.status_code, sent=sent, refusal=refusal)


def percentile(outcomes: Sequence[Outcome], share: float) -> float:
    """Of their milliseconds."""
    ordered = sorted(outcome.seconds * 1000 for outcome in outcomes)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
