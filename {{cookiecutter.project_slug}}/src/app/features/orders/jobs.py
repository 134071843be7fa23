"""What happens to an order after the answer has gone out."""

from uuid import UUID

from app.features.orders.repository import OrderRepository
from app.jobs.job import Job
from app.resources import Resources


class ConfirmOrder(Job):
    """Confirm an order that was placed."""

    name = "orders.confirm"

    order_id: UUID
    tenant_id: UUID


async def confirm_order(job: ConfirmOrder, resources: Resources) -> None:
    """A job may run twice, so the order decides under a lock whether there is something left to do."""
    async with resources.database.transaction() as session:
        order = await OrderRepository(session).find_to_change(job.order_id, tenant=job.tenant_id)
        is_confirmed = order is not None and order.confirm()
    if is_confirmed:
        resources.metrics.count_event("order_confirmed")
