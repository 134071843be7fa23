"""Applications that call a partner for each request, many times at once: what a call costs by each client.

The partner's address is in `PARTNER_URL`. Each call asks for something else, because ours makes one of identical ones.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import aiohttp
import httpx
import httpx2
import orjson
from fastapi import FastAPI

from app.clients.http import Partner, open_clients
from app.observability.context import begin_request
from app.observability.metrics import Metrics, PartnerMetrics
from app.resilience.bulkhead import BulkheadOptions
from app.resilience.policy import Guard, Policy
from app.settings import Settings
from performance import things

CALLS_AT_ONCE = 50
CALLS_IN_TURN = 1000

POLICY = Policy(bulkhead=BulkheadOptions(calls=CALLS_AT_ONCE))

Call = Callable[[str], Awaitable[Any]]  # Any: what a partner says


def calling(open_call: Callable[[str], Awaitable[Call]]) -> FastAPI:
    """A route that makes so many calls at once."""
    app = FastAPI()
    numbers = count()
    opened: list[Call] = []

    @app.get(things.CALLS)
    async def call_partner() -> int:
        if not opened:
            opened.append(await open_call(os.environ["PARTNER_URL"]))
        answers = await asyncio.gather(*(opened[0](f"/quotes?number={next(numbers)}") for _ in range(CALLS_AT_ONCE)))
        return sum(answer["days"] for answer in answers)

    return app


def with_our_client(_settings: Settings) -> FastAPI:
    """With everything that it does: policy, single flight, metrics, headers, bounds."""

    async def open_call(url: str) -> Call:
        stack = AsyncExitStack()  # until the process ends
        metrics = PartnerMetrics(Metrics().registry)
        opening = open_clients([Partner("partner", url, "a-key")], metrics=metrics, on_guard=lambda _guard: None)
        client = (await stack.enter_async_context(opening)).get("partner", policy=POLICY)

        async def call(path: str, _stack: AsyncExitStack = stack) -> Any:
            begin_request(request_id="request-number-1", trace_id=32 * "1")
            path, _, query = path.partition("?")
            return orjson.loads((await client.get(path, query=[("number", query)])).body)

        return call

    return calling(open_call)


def with_aiohttp(_settings: Settings) -> FastAPI:
    """As its documentation has it."""

    async def open_call(url: str) -> Call:
        session = aiohttp.ClientSession(url)

        async def call(path: str) -> Any:
            async with session.get(path) as response:
                return await response.json()

        return call

    return calling(open_call)


def with_httpx(_settings: Settings) -> FastAPI:
    """The same."""
    return with_client(httpx.AsyncClient)


def with_httpx2(_settings: Settings) -> FastAPI:
    """The same."""
    return with_client(httpx2.AsyncClient)


def with_client(kind: type[httpx.AsyncClient] | type[httpx2.AsyncClient]) -> FastAPI:
    async def open_call(url: str) -> Call:
        client = kind(base_url=url)

        async def call(path: str) -> Any:
            return (await client.get(path)).json()

        return call

    return calling(open_call)


def repeating(call: Callable[[], Awaitable[None]]) -> FastAPI:
    """A route that does something so often, one after the other."""
    app = FastAPI()

    @app.get(things.CALLS)
    async def repeat() -> int:
        for _ in range(CALLS_IN_TURN):
            await call()
        return CALLS_IN_TURN

    return app


async def nothing() -> None:
    """What is called."""


def unguarded(_settings: Settings) -> FastAPI:
    """Straight."""
    return repeating(nothing)


def guarded(_settings: Settings) -> FastAPI:
    """Through deadline, bulkhead, circuit breaker, attempt time-out and retry budget."""
    guard = Guard("partner", POLICY, on_retry=lambda _failure: None)
    return repeating(lambda: guard.call(nothing, is_repeatable=True))
