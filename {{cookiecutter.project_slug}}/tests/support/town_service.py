"""The real command line, serving the towns too, with an office that tests hold up.

`python -m tests.support.town_service serve`
"""

from fastapi import APIRouter

from app import cli
from app.assembly.routes import ROUTERS
from app.resilience import adaptive_limit
from app.security.public import public
from tests.support.switched_off import switch_off_what_is_asked
from tests.support.town import Office, town_router

office = Office()
holding = APIRouter(prefix="/v1/office")


@holding.post("/closing")
@public
async def hold_up() -> None:
    """From now on it lets all wait."""
    office.answers.clear()


@holding.post("/opening")
@public
async def go_on() -> None:
    """It answers those, too."""
    office.answers.set()


@holding.get("/{name}")
@public
async def count(name: str) -> dict[str, int]:
    """How many callers wanted this town, and how often the office was asked."""
    return {"wanted": office.wanted[name], "asked": office.asked[name]}


if __name__ == "__main__":
    adaptive_limit.INITIAL = 1000  # all callers of a test are let in at once
    switch_off_what_is_asked()
    ROUTERS.extend([town_router(office), holding])
    cli.main()
