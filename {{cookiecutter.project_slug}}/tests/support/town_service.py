"""The real command line, serving the towns too: `python -m tests.support.town_service serve`. Its office is slow."""

import asyncio

from fastapi import APIRouter

from app import cli
from app.assembly.routes import ROUTERS
from app.resilience import adaptive_limit
from app.security.public import public
from tests.support.switched_off import switch_off_what_is_asked
from tests.support.town import Office, Town, town_router

# Longer than all callers take to arrive.
OFFICE_SECONDS = 0.5


class SlowOffice(Office):
    async def tell(self, name: str) -> Town:
        await asyncio.sleep(OFFICE_SECONDS)
        return await super().tell(name)


office = SlowOffice()
counting = APIRouter(prefix="/v1/asked")


@counting.get("/{name}")
@public
async def count(name: str) -> int:
    """How often the office was asked."""
    return office.asked[name]


if __name__ == "__main__":
    adaptive_limit.INITIAL = 1000  # all callers of a test are let in at once
    switch_off_what_is_asked()
    ROUTERS.extend([town_router(office), counting])
    cli.main()
