"""Callers who go on calling while something happens to the service, and remember every answer."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

END_SECONDS = 30.0


@dataclass(frozen=True)
class Call:
    """What one caller asks again and again, so often in a second at most; over a new connection each time, or not."""

    method: str
    path: str
    body: Any = None
    connects_anew: bool = False
    per_second: float = 25.0


@dataclass(frozen=True)
class Outcome:
    """Of one request. Times are those of `time.monotonic`."""

    call: Call
    began: float
    seconds: float
    status: int | None
    error: str = ""


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
    async with httpx2.AsyncClient(base_url=url, headers={**headers, **closing}, timeout=10) as client:
        while not load.is_over:
            outcome = await outcome_of(client, call)
            load.outcomes.append(outcome)
            await asyncio.sleep(max(0.0, 1 / call.per_second - outcome.seconds))


async def outcome_of(client: httpx2.AsyncClient, call: Call) -> Outcome:
    began = time.monotonic()
    try:
        response = await client.request(call.method, call.path, json=call.body)
    except httpx2.TransportError as error:
        return Outcome(call, began, time.monotonic() - began, None, repr(error))
    return Outcome(call, began, time.monotonic() - began, response.status_code)


def percentile(outcomes: Sequence[Outcome], share: float) -> float:
    """Of their milliseconds."""
    ordered = sorted(outcome.seconds * 1000 for outcome in outcomes)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
