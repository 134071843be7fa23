"""How an order looks on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.features.orders.shipping import ShippingSource
from app.web.pagination import ListItem

Sku = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,63}$", description="The article.", examples=["TEA-001"])]
Quantity = Annotated[int, Field(ge=1, le=1_000, examples=[2])]
Cents = Annotated[int, Field(ge=0, le=1_000_000, description="In hundredths of the currency.", examples=[450])]
# PostgreSQL stores every character but this one.
Note = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$", examples=["Leave it with the neighbour."])]
Status = Literal["pending", "charging", "confirmed", "declined", "cancelled"]


class NewOrder(BaseModel):
    """What a caller sends to place an order."""

    model_config = ConfigDict(extra="forbid")

    sku: Sku
    quantity: Quantity
    unit_price_cents: Cents
    note: Note | None = None


class OrderChanges(BaseModel):
    """What a caller may change afterwards."""

    model_config = ConfigDict(extra="forbid")

    note: Note | None


class OrderFilters(BaseModel):
    """Which orders to list."""

    model_config = ConfigDict(frozen=True)

    status: Status | None
    sku: str | None


class OrderView(ListItem):
    """What a caller sees of an order."""

    model_config = ConfigDict(from_attributes=True)

    sku: Sku
    quantity: Quantity
    unit_price_cents: Cents
    shipping_cents: Annotated[int, Field(examples=[590])]
    shipping_source: Annotated[ShippingSource, Field(description="Who says what shipping costs.")]
    total_cents: Annotated[int, Field(description="With shipping.", examples=[1490])]
    note: Note | None
    status: Status
    charge_id: Annotated[str | None, Field(description="By which the payment provider knows it.")]
    created_at: datetime
    confirmed_at: datetime | None
