"""The real command line, serving the playground too, routes that take their time, and one that is limited.

`python -m tests.support.playground_service serve`
"""

import asyncio
import os
import threading

from fastapi import APIRouter

from app import cli
from app.assembly.routes import ROUTERS
from app.persistence.database import Database
from app.security.public import public
from app.web.rate_limits import limiter
from tests.support import playground
from tests.support.switched_off import switch_off_what_is_asked

SLOW_SECONDS = 1.0

# So often may each caller call the route that has a limit of its own.
OFTEN = 5

router = APIRouter(prefix="/v1/slow")


@router.get("")
@public
async def answer_slowly() -> str:
    await asyncio.sleep(SLOW_SECONDS)
    return "done"


@router.get("/stuck")
@public
def hold_a_thread() -> None:
    """Nobody can interrupt it."""
    print('{"event": "stuck"}', flush=True)  # noqa: T201 - a line of the log
    threading.Event().wait()


@router.get("/limited")
@limiter.limit(f"{OFTEN}/minute")
async def answer_seldom(caller: playground.UseToys) -> str:
    return caller.subject


async def never_close(self: Database) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    switch_off_what_is_asked()
    if "NEVER_CLOSES" in os.environ:
        Database.close = never_close  # type: ignore[method-assign] # a resource that hangs
    ROUTERS.extend([playground.router, router])
    cli.main()
