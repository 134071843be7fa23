"""Placing, reading and listing orders."""

from collections.abc import Sequence
from uuid import UUID

from app.features.orders.errors import OrderNotFound
from app.features.orders.models import Order
from app.features.orders.repository import OrderRepository
from app.features.orders.schemas import NewOrder


class OrderService:
    """What can be done with orders."""

    def __init__(self, *, orders: OrderRepository) -> None:
        self.orders = orders

    async def place(self, request: NewOrder) -> Order:
        order = Order(sku=request.sku, quantity=request.quantity, unit_price_cents=request.unit_price_cents)
        await self.orders.add(order)
        return order

    async def read(self, order_id: UUID) -> Order:
        order = await self.orders.find(order_id)
        if order is None:
            raise OrderNotFound(order_id)
        return order

    async def list_newest(self, *, after: UUID | None, limit: int) -> Sequence[Order]:
        return await self.orders.newest_before(after, limit=limit)
