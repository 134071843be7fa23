"""What happens to an order after the answer has gone out."""

from uuid import UUID

from app.features.orders.models import Order
from app.features.orders.payments import charge
from app.features.orders.repository import OrderRepository
from app.jobs.job import Job
from app.resources import Resources


class ConfirmOrder(Job):
    """Charge an order that was placed, and confirm it."""

    name = "orders.confirm"

    order_id: UUID
    tenant_id: UUID


async def confirm_order(job: ConfirmOrder, resources: Resources) -> None:
    """Two transactions, and the call between them: nobody holds a connection while the partner thinks.

    A job may run twice, also after a worker died between the charge and the note of it. So each step looks whether
    there is something left to do, and charging again is the same charge.
    """
    order = await begin_charging(job, resources)
    if order is not None:
        charge_id = await charge(order.id, order.total_cents, resources)
        await record(job, charge_id, resources)


async def begin_charging(job: ConfirmOrder, resources: Resources) -> Order | None:
    """The order, which cannot be cancelled from now on; `None` if there is nothing to charge."""
    async with resources.database.transaction() as session:
        order = await OrderRepository(session).find_to_change(job.order_id, tenant=job.tenant_id)
        return order if order is not None and order.begin_charging() else None


async def record(job: ConfirmOrder, charge_id: str | None, resources: Resources) -> None:
    """What became of it: paid, or refused."""
    async with resources.database.transaction() as session:
        order = await OrderRepository(session).find_to_change(job.order_id, tenant=job.tenant_id)
        is_settled = order is not None and order.settle(charge_id)
    if is_settled:
        resources.metrics.count_event("order_confirmed" if charge_id else "order_declined")
