"""The queries about orders, each within one tenant; nothing else knows SQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders.models import Order
from app.features.orders.schemas import OrderFilters


class OrderRepository:
    """The orders of one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, order: Order) -> None:
        """Store a new order; the database fills in the time."""
        self.session.add(order)
        await self.session.flush()

    async def find(self, order_id: UUID, *, tenant: UUID) -> Order | None:
        """The order, if the tenant has it."""
        return await self.session.scalar(orders_of(tenant).where(Order.id == order_id))

    async def find_to_change(self, order_id: UUID, *, tenant: UUID) -> Order | None:
        """The same, locked: nobody changes it between this look and the commit."""
        return await self.session.scalar(orders_of(tenant).where(Order.id == order_id).with_for_update())

    async def save_changes(self) -> None:
        """Write them now, which gives what was changed its next version."""
        await self.session.flush()

    async def newest(self, filters: OrderFilters, *, tenant: UUID, before: UUID | None, limit: int) -> Sequence[Order]:
        """The newest orders, from before `before` on. Keys are time-ordered, so they order the list too."""
        query = orders_of(tenant).order_by(Order.id.desc()).limit(limit)
        if filters.status is not None:
            query = query.where(Order.status == filters.status)
        if filters.sku is not None:
            query = query.where(Order.sku == filters.sku)
        if before is not None:
            query = query.where(Order.id < before)
        return (await self.session.scalars(query)).all()


def orders_of(tenant: UUID) -> Select[Order]:
    """Where every query begins."""
    return select(Order).where(Order.tenant_id == tenant)
