"""A tiny feature that remembers what a slow office tells it about towns, and a stand-in for that office."""

import asyncio
from collections import Counter

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from app.cache.decorator import cached
from app.cache.kinds import Kind, Lifetime
from app.core.errors import Conflict, Unavailable
from app.persistence.after_commit import after_commit
from app.security.public import public
from app.web.dependencies import CurrentResources, Session

FRESH, REFRESHING, FAILING = 60.0, 30.0, 600.0


class Town(BaseModel):
    name: str
    people: int


class TownAnswer(BaseModel):
    people: int
    is_stale: bool


TOWNS: Kind[Town] = Kind("towns", Town, Lifetime(FRESH, while_refreshing=REFRESHING, if_failing=FAILING))


class OfficeClosed(Unavailable):
    """Nobody tells anything."""


class Office:
    """Knows how many people live where. It answers when it is open and not held up by a test.

    `wanted` counts callers of the service, `asked` how many of them got through to the office.
    """

    def __init__(self) -> None:
        self.people: Counter[str] = Counter()
        self.wanted: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.is_closed = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def tell(self, name: str) -> Town:
        self.asked[name] += 1
        people = self.people[name]
        await self.answers.wait()
        if self.is_closed:
            raise OfficeClosed("The office is closed.")
        return Town(name=name, people=people)


def town_router(office: Office) -> APIRouter:
    """Routes that ask this office."""
    router = APIRouter(prefix="/v1/towns")

    @cached(TOWNS, key=lambda name: name, tenant=None, tags=lambda name: [f"town:{name}"])
    async def town_called(name: str) -> Town:
        return await office.tell(name)

    @router.get("/{name}")
    @public
    async def read_town(name: str, resources: CurrentResources) -> TownAnswer:
        office.wanted[name] += 1
        found = await town_called(resources.cache, name)
        return TownAnswer(people=found.value.people, is_stale=found.is_stale)

    @router.put("/{name}")
    @public
    async def move(
        name: str, people: int, session: Session, resources: CurrentResources, *, fails: bool = False
    ) -> None:
        """Changes what the office knows, and says so when the session is committed."""
        after_commit(session, lambda: resources.cache.invalidate(f"town:{name}"))
        await session.execute(text("SELECT 1"))
        office.people[name] = people
        if fails:
            raise Conflict("They stay.")

    @router.post("/ageing")
    @public
    async def grow_older(seconds: float, resources: CurrentResources) -> None:
        """All that this process remembers, and nothing of it is in Redis any more."""
        for entry in resources.cache.memory.entries.values():
            entry.fresh_until -= seconds
        if resources.redis:
            await resources.redis.flushdb()

    return router
