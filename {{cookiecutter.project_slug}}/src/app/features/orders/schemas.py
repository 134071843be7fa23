"""How an order looks on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.web.pagination import ListItem

Sku = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,63}$", description="The article.", examples=["TEA-001"])]
Quantity = Annotated[int, Field(ge=1, le=1_000, examples=[2])]
Cents = Annotated[int, Field(ge=0, le=1_000_000, description="In hundredths of the currency.", examples=[450])]


class NewOrder(BaseModel):
    """What a caller sends to place an order."""

    model_config = ConfigDict(extra="forbid")

    sku: Sku
    quantity: Quantity
    unit_price_cents: Cents


class OrderView(ListItem):
    """What a caller sees of an order."""

    model_config = ConfigDict(from_attributes=True)

    sku: str
    quantity: int
    unit_price_cents: int
    total_cents: int
    status: Literal["pending"]
    created_at: datetime
