"""How to switch off what orders promise."""

from sqlalchemy import Select, select

from app.features.orders import repository
from app.features.orders.models import Order
from tests.support.switching import Switch, nothing, replaced, without_router


def orders_of_everybody(_tenant: object) -> Select[Order]:
    """It still names the tenant, but compares it with itself."""
    return select(Order).where(Order.tenant_id == Order.tenant_id)


SWITCHES: dict[str, Switch] = {
    "orders": without_router("/v1/orders"),
    "tenants": replaced(repository, "orders_of", orders_of_everybody),
    "confirmed-orders": replaced(Order, "confirm", nothing),
}
