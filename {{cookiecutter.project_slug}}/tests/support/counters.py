"""A tiny table and routes over it, for tests of connections and transactions."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.databases import execute


@contextmanager
def counters_table(url: str) -> Iterator[None]:
    """Counters 1 and 2, both at 0."""
    execute(
        url,
        "CREATE TABLE counters (id int PRIMARY KEY, value int NOT NULL)",
        "INSERT INTO counters VALUES (1, 0), (2, 0)",
    )
    try:
        yield
    finally:
        execute(url, "DROP TABLE counters")


class Rendezvous:
    """Lets a number of requests meet, once; whoever comes later passes."""

    def __init__(self, parties: int) -> None:
        self.parties = parties
        self.arrived = 0
        self.complete = asyncio.Event()

    async def meet(self) -> None:
        self.arrived += 1
        if self.arrived >= self.parties:
            self.complete.set()
        await asyncio.wait_for(self.complete.wait(), timeout=10)
