"""The order use cases."""

from collections.abc import Sequence
from uuid import UUID

from app.core.versions import SeenVersions
from app.features.orders.errors import OrderNotFound
from app.features.orders.jobs import ConfirmOrder
from app.features.orders.models import Order
from app.features.orders.repository import OrderRepository, StoredOrders
from app.features.orders.schemas import NewOrder, OrderChanges, OrderFilters
from app.features.orders.shipping import Shipping
from app.jobs.queue import JobQueue
from app.security.principal import Principal


class OrderService:
    """What a caller can change."""

    def __init__(self, *, orders: OrderRepository, jobs: JobQueue) -> None:
        self.orders = orders
        self.jobs = jobs

    async def place(self, request: NewOrder, *, shipping: Shipping, caller: Principal) -> Order:
        order = Order(
            **request.model_dump(),
            shipping_cents=shipping.cents,
            shipping_source=shipping.source,
            tenant_id=caller.tenant,
            created_by=caller.subject,
        )
        await self.orders.add(order)
        # In the same transaction: there is no order without its job, and no job without its order.
        await self.jobs.enqueue(ConfirmOrder(order_id=order.id, tenant_id=order.tenant_id))
        return order

    async def change(self, order_id: UUID, changes: OrderChanges, *, caller: Principal, seen: SeenVersions) -> Order:
        order = require_order(await self.orders.find_to_change(order_id, tenant=caller.tenant), order_id)
        seen.require(order.version)
        order.change(note=changes.note)
        await self.orders.save_changes()
        return order

    async def cancel(self, order_id: UUID, *, caller: Principal) -> Order:
        order = require_order(await self.orders.find_to_change(order_id, tenant=caller.tenant), order_id)
        order.cancel()
        await self.orders.save_changes()
        return order


class OrderQueries:
    """What a caller can see."""

    def __init__(self, orders: StoredOrders) -> None:
        self.orders = orders

    async def read(self, order_id: UUID, *, caller: Principal) -> Order:
        return require_order(await self.orders.find(order_id, tenant=caller.tenant), order_id)

    async def newest(
        self, filters: OrderFilters, *, caller: Principal, before: UUID | None, limit: int
    ) -> Sequence[Order]:
        return await self.orders.newest(filters, tenant=caller.tenant, before=before, limit=limit)


def require_order(order: Order | None, order_id: UUID) -> Order:
    """Raises `OrderNotFound`."""
    if order is None:
        raise OrderNotFound(order_id)
    return order
