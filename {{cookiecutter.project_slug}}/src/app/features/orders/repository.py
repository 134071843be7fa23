"""The queries about orders, each within one tenant; nothing else knows SQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders.models import Order
from app.features.orders.schemas import OrderFilters
from app.persistence.reader import Reader

# Where every query begins.
OF_TENANT = select(Order).where(Order.tenant_id == bindparam("tenant"))
BY_ID = OF_TENANT.where(Order.id == bindparam("order_id"))
TO_CHANGE = BY_ID.with_for_update()


class OrderRepository:
    """The orders of one transaction, to be changed."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, order: Order) -> None:
        """Store a new order; the database fills in the time."""
        self.session.add(order)
        await self.session.flush()

    async def find_to_change(self, order_id: UUID, *, tenant: UUID) -> Order | None:
        """The order, if the tenant has it, locked: nobody changes it between this look and the commit."""
        return await self.session.scalar(TO_CHANGE, {"tenant": tenant, "order_id": order_id})

    async def save_changes(self) -> None:
        """Write them now, which gives what was changed its next version."""
        await self.session.flush()


class StoredOrders:
    """Orders to be looked at."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    async def find(self, order_id: UUID, *, tenant: UUID) -> Order | None:
        """The order, if the tenant has it."""
        return await self.reader.find(Order, BY_ID, tenant=tenant, order_id=order_id)

    async def newest(self, filters: OrderFilters, *, tenant: UUID, before: UUID | None, limit: int) -> Sequence[Order]:
        """The newest orders, from before `before` on. Keys are time-ordered, so they order the list too."""
        query = OF_TENANT.order_by(Order.id.desc()).limit(limit)
        if filters.status is not None:
            query = query.where(Order.status == filters.status)
        if filters.sku is not None:
            query = query.where(Order.sku == filters.sku)
        if before is not None:
            query = query.where(Order.id < before)
        return await self.reader.all(Order, query, tenant=tenant)
