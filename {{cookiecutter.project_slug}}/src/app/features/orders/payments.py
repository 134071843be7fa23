"""Takes the money for an order, through the partner `payments`. Only the job calls it."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from app.resilience.policy import Policy
from app.resources import Resources

# Charging a card takes seconds at times, and no caller waits for it.
POLICY = Policy(deadline_seconds=20, attempt_seconds=6)


class Charge(BaseModel):
    """What was agreed upon with the partner."""

    id: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]


async def charge(order_id: UUID, cents: int, resources: Resources) -> str | None:
    """The id of the charge; `None` if it is refused. Raises `PartnerUnavailable` if it is unknown what became of it.

    However often an order is charged, the partner knows by the key that it is one charge.
    """
    partner = resources.clients.get("payments", policy=POLICY)
    answer = await partner.post(
        "/charges", json={"order": str(order_id), "cents": cents}, idempotency_key=f"order-{order_id}"
    )
    if answer.status == HTTPStatus.PAYMENT_REQUIRED:
        return None
    return answer.read(Charge).id
