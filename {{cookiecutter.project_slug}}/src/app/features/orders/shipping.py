"""What it costs to ship an order: the partner `shipping` says it, and placing an order goes on without it.

asked within the last minute, or now ──▶ quoted
it cannot say, and did within a day  ──▶ last_known
neither                              ──▶ flat_rate
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.cache.kinds import Kind, Lifetime
from app.clients.errors import PartnerSlow
from app.clients.partner_client import HttpClient
from app.core.errors import DeadlineExceeded
from app.resilience.deadline import Deadline, remaining
from app.resilience.policy import Policy
from app.resources import Resources

ShippingSource = Literal["quoted", "last_known", "flat_rate"]

# Somebody waits for the order: the flat rate now is better than a quote in a second.
POLICY = Policy(deadline_seconds=0.8, attempt_seconds=0.4, attempts=2)

# With what another process may take that asks for the same. A shorter `X-Request-Timeout` leaves less.
MOST_SECONDS = 1.0
SECONDS_TO_GO_ON = 0.25

QUOTES: Kind[int] = Kind("shipping-quotes", int, Lifetime(fresh=60, if_failing=86_400))


class Quote(BaseModel):
    """What was agreed upon with the partner. A price that nobody would pay is none."""

    cents: Annotated[int, Field(ge=0, le=100_000)]


@dataclass(frozen=True)
class Shipping:
    """What an order's shipping costs, and who says so."""

    cents: int
    source: ShippingSource


FLAT_RATE = Shipping(590, "flat_rate")


async def shipping_for(sku: str, quantity: int, resources: Resources) -> Shipping:
    """Never fails because of the partner, and takes a second at most. Call it while no session is open."""
    partner = resources.clients.get("shipping", policy=POLICY)
    return await partner.or_else(quote_of(partner, sku, quantity, resources), lambda _failure: FLAT_RATE)


async def quote_of(partner: HttpClient, sku: str, quantity: int, resources: Resources) -> Shipping:
    """The present one or the last. Raises `PartnerUnavailable`."""

    async def ask() -> int:
        answer = await partner.get("/quotes", query={"sku": sku, "quantity": quantity})
        return answer.read(Quote).cents

    try:
        with Deadline(min(MOST_SECONDS, remaining() - SECONDS_TO_GO_ON)):
            found = await resources.cache.get(QUOTES, f"{sku} {quantity}", ask, tenant=None)
    except DeadlineExceeded:
        raise PartnerSlow("shipping") from None
    return Shipping(found.value, "last_known" if found.is_stale else "quoted")
