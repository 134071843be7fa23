"""A tiny feature that asks a partner: for what it can do without, and for what it cannot."""

import random
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel

from app.clients.partner_client import HttpClient
from app.resilience.policy import Policy
from app.resources import Resources
from app.security.public import public
from app.web.dependencies import CurrentResources

router = APIRouter(prefix="/v1/forecasts", tags=["forecasts"])

# The name of the partner.
WEATHER = "weather"

PLACES = 1_000_000


class Forecast(BaseModel):
    """What the partner says, or what we say instead of it."""

    degrees: float
    is_guess: bool = False


# What the partner answers when all is well.
GOOD = {"degrees": 21.5}

GUESS = Forecast(degrees=15, is_guess=True)


def weather(resources: Resources) -> HttpClient:
    return resources.clients.get(WEATHER, policy=Policy())


async def ask_for_forecast(client: HttpClient, place: int) -> Forecast:
    """Places are many, so that no two requests are one call."""
    return (await client.get("/forecasts", query={"place": str(place)})).read(Forecast)


@router.get("", summary="Ask for the weather")
@public
async def read_forecast(resources: CurrentResources) -> Forecast:
    """Without the partner, a guess that says so."""
    client = weather(resources)
    place = random.randrange(PLACES)  # noqa: S311 - any will do
    return await client.or_else(ask_for_forecast(client, place), lambda _failure: GUESS)


@router.post("", summary="Have a forecast made")
@public
async def make_forecast(resources: CurrentResources) -> Forecast:
    """Nothing does instead of it."""
    return (await weather(resources).post("/forecasts", json={}, idempotency_key=str(uuid4()))).read(Forecast)
