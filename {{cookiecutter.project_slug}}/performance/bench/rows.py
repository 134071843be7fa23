"""The rows of the benchmark: which application is asked for what, and compared with which."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from fastapi import FastAPI

from app.settings import Settings
from performance import things
from performance.bench.applications.bare import bare, bare_with_database
from performance.bench.applications.callers import (
    CALLS_AT_ONCE,
    CALLS_IN_TURN,
    guarded,
    unguarded,
    with_aiohttp,
    with_httpx,
    with_httpx2,
    with_our_client,
)
from performance.bench.applications.ours import (
    LAST_ROUTE,
    names_of_steps,
    ours,
    ours_up_to,
    ours_with_many_routes,
    ours_without_memory,
)
from performance.bench.applications.usual import usual

BARE = "bare FastAPI"
EVERYTHING = "ours, everything on"
WITH_KEY = "ours, with an API key"
SHARED = "ours, limits shared through Redis"
USUAL = "the usual way"
MANY_ROUTES = "ours, the last of 100 routes"
BARE_ROW = "bare FastAPI, a row"
OUR_ROW = "ours, a row"
HEALTH = "ours, /health/live"
SHARED_ROW = "ours, a row, limits shared"

REMEMBERED = "ours, a row remembered in memory"
ANSWERED = "ours, its whole answer remembered in memory"
REMEMBERED_IN_REDIS = "ours, a row remembered in Redis"

HTTPX = "httpx"
CLIENT = "our client"
UNGUARDED = "a function that does nothing"
GUARDED = "the same, guarded by a policy"

SIDE_BY_SIDE = "Without a database"
STEPS = "What each concern adds to the one before it"
ROWS = "A row by its key from PostgreSQL, with an API key"
MEMORY = "A row that is remembered"
LIMITS = "An exact rate limit for each key, in memory and shared through Redis"
ROUTES = "Many routes"
CLIENTS = "A call to a partner, 50 at once: µs a call"
POLICIES = "A policy for each call that goes well: µs a call"
PEERS = "Health as shipped, beside other templates"


# So many are let in by overload protection whatever happens (`LEAST` in resilience/adaptive_limit.py): a client that
# never pauses keeps the service at its limit, and a refusal costs less than an answer.
CONNECTIONS = 16


@dataclass(frozen=True)
class Row:
    """One application and one question, and the tables that show it; the first row of a table is its measure."""

    name: str
    tables: tuple[str, ...]
    # None for what brings a server of its own.
    make: Callable[[Settings], FastAPI] | None
    against: str
    path: str = things.PLAIN
    needs_database: bool = False
    needs_redis: bool = False
    needs_partner: bool = False
    # So many of what is measured in each request, and so many requests at once.
    batch: int = 1
    connections: int = CONNECTIONS
    # Only our own can become slower by our own doing.
    is_ours: bool = True


def rows(settings: Settings) -> list[Row]:
    """In the order of the tables. The last step is everything."""
    names = names_of_steps(settings)
    with_key = Row(WITH_KEY, (SIDE_BY_SIDE, LIMITS), ours, against=BARE, path=things.SECURED, needs_database=True)
    return [
        Row(BARE, (SIDE_BY_SIDE, STEPS), bare, against=BARE, is_ours=False),
        Row("our application, no middleware", (STEPS,), partial(ours_up_to, step=0), against=BARE),
        *(
            Row(f"+ {name}", (STEPS,), partial(ours_up_to, step=number), against=BARE)
            for number, name in enumerate(names[:-1], start=1)
        ),
        Row(EVERYTHING, (SIDE_BY_SIDE, STEPS, ROUTES), ours, against=BARE),
        with_key,
        replace(with_key, name=SHARED, needs_redis=True),
        Row(USUAL, (SIDE_BY_SIDE,), usual, against=BARE, is_ours=False),
        Row(MANY_ROUTES, (ROUTES,), ours_with_many_routes, against=EVERYTHING, path=LAST_ROUTE),
        *rows_with_database(),
        *rows_of_calls(),
        Row(HEALTH, (PEERS,), ours, against=HEALTH, path="/health/live"),
    ]


def rows_with_database() -> list[Row]:
    bare_row = Row(
        BARE_ROW,
        (ROWS,),
        bare_with_database,
        against=BARE_ROW,
        path=things.STORED,
        needs_database=True,
        is_ours=False,
    )
    our_row = replace(bare_row, name=OUR_ROW, make=ours, is_ours=True)
    remembered = replace(our_row, name=REMEMBERED, tables=(MEMORY,), against=OUR_ROW, path=things.REMEMBERED)
    return [
        bare_row,
        replace(our_row, tables=(ROWS, MEMORY)),
        replace(our_row, name=SHARED_ROW, needs_redis=True),
        replace(remembered, name=ANSWERED, path=things.ANSWERED),
        remembered,
        replace(remembered, name=REMEMBERED_IN_REDIS, make=ours_without_memory, needs_redis=True),
    ]


def rows_of_calls() -> list[Row]:
    """One request at a time, which makes many calls."""
    httpx = Row(
        HTTPX,
        (CLIENTS,),
        with_httpx,
        against=HTTPX,
        path=things.CALLS,
        needs_partner=True,
        batch=CALLS_AT_ONCE,
        connections=1,
        is_ours=False,
    )
    straight = Row(
        UNGUARDED,
        (POLICIES,),
        unguarded,
        against=UNGUARDED,
        path=things.CALLS,
        batch=CALLS_IN_TURN,
        connections=1,
        is_ours=False,
    )
    return [
        httpx,
        replace(httpx, name="httpx2", make=with_httpx2),
        replace(httpx, name="aiohttp", make=with_aiohttp),
        replace(httpx, name=CLIENT, make=with_our_client, is_ours=True),
        straight,
        # Not compared with the baseline: how many times nothing it costs says little about a change.
        replace(straight, name=GUARDED, make=guarded),
    ]


def row_named(name: str, settings: Settings) -> Row:
    """Raises `StopIteration` if there is none."""
    return next(row for row in rows(settings) if row.name == name)
