"""How to switch off what orders promise."""

from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

from sqlalchemy import bindparam, select, text

from app.cache.kinds import Kind, Lifetime
from app.clients.partner_client import HttpClient
from app.features.orders import dependencies, jobs, payments, repository, shipping
from app.features.orders.models import Order
from app.resources import Resources
from tests.support.switching import Switch, nothing, replaced, without_router


def for_everybody(patch: Any) -> None:
    """The queries still name the tenant, but compare it with itself."""
    orders = select(Order).where(Order.tenant_id == Order.tenant_id)
    by_id = orders.where(Order.id == bindparam("order_id"))
    patch.setattr(repository, "OF_TENANT", orders)
    patch.setattr(repository, "BY_ID", by_id)
    patch.setattr(repository, "TO_CHANGE", by_id.with_for_update())


async def flat_rate(*_: object) -> shipping.Shipping:
    """Whatever the partner would say."""
    return shipping.FLAT_RATE


async def without_fallback(_client: HttpClient, wanted: Awaitable[Any], _fallback: object) -> object:
    return await wanted


async def shipping_within_a_session(sku: str, quantity: int, resources: Resources) -> shipping.Shipping:
    """Holds a connection while the partner is asked."""
    async with resources.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        return await shipping.shipping_for(sku, quantity, resources)


async def charge_within_a_session(order_id: Any, cents: int, resources: Resources) -> str | None:
    """The same."""
    async with resources.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        return await payments.charge(order_id, cents, resources)


def as_somebody_else(patch: Any) -> None:
    """Each time that an order is charged the provider takes it for another."""
    post = HttpClient.post

    async def post_anew(self: HttpClient, path: str, **options: Any) -> object:
        return await post(self, path, **{**options, "idempotency_key": str(uuid4())})

    patch.setattr(HttpClient, "post", post_anew)


def confirm_anyway(order: Order, _charge_id: str | None) -> bool:
    """Whether it is paid or not."""
    order.status, order.charge_id = "confirmed", "none"
    return True


SWITCHES: dict[str, Switch] = {
    "orders": without_router("/v1/orders"),
    "tenants": for_everybody,
    "quoted-shipping": replaced(shipping, "quote_of", flat_rate),
    "shipping-fallbacks": replaced(HttpClient, "or_else", without_fallback),
    "last-quotes": replaced(shipping, "QUOTES", Kind("shipping-quotes", int, Lifetime(fresh=60))),
    "quotes-without-connection": replaced(dependencies, "shipping_for", shipping_within_a_session),
    "confirmed-orders": replaced(Order, "settle", nothing),
    "charged-once": as_somebody_else,
    "charges-without-connection": replaced(jobs, "charge", charge_within_a_session),
    "declined-orders": replaced(Order, "settle", confirm_anyway),
}
