"""The queries about orders; nothing else knows SQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders.models import Order


class OrderRepository:
    """The orders of one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, order: Order) -> None:
        """Store a new order; the database fills in the time."""
        self.session.add(order)
        await self.session.flush()

    async def find(self, order_id: UUID) -> Order | None:
        """The order, if there is one."""
        return await self.session.get(Order, order_id)

    async def newest_before(self, last: UUID | None, *, limit: int) -> Sequence[Order]:
        """The newest orders, from after `last` on. Keys are time-ordered, so they order the list too."""
        query = select(Order).order_by(Order.id.desc()).limit(limit)
        if last is not None:
            query = query.where(Order.id < last)
        return (await self.session.scalars(query)).all()
