"""Orders over HTTP."""

from uuid import UUID

from fastapi import APIRouter, Response, status

from app.core.versions import VersionChanged
from app.features.orders.dependencies import Filters, Orders, OrdersToRead, Quoted, ReadOrders, WriteOrders
from app.features.orders.errors import OrderAlreadyCancelled, OrderNotFound, OrderNotPending
from app.features.orders.models import Order
from app.features.orders.schemas import OrderChanges, OrderView
from app.web.dependencies import Paging
from app.web.idempotency.dependencies import IdempotencyKey
from app.web.idempotency.route import IdempotentRoute
from app.web.openapi import problems
from app.web.pagination import Page
from app.web.preconditions import IfMatch, IfMatchMissing, set_etag
from app.web.rate_limits import limiter

router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=IdempotentRoute)


@router.post("", summary="Place an order", status_code=status.HTTP_201_CREATED)
@limiter.limit("300/minute")
async def place_order(
    caller: WriteOrders, quoted: Quoted, _key: IdempotencyKey, orders: Orders, response: Response
) -> OrderView:
    """It is `pending` at first; soon it is paid and `confirmed`, or `declined`. `Location` is where it can be read."""
    order = await orders.place(quoted.request, shipping=quoted.shipping, caller=caller)
    response.headers["Location"] = f"{router.prefix}/{order.id}"
    return show_order(order, response)


@router.get("", summary="List orders")
async def list_orders(caller: ReadOrders, filters: Filters, paging: Paging, orders: OrdersToRead) -> Page[OrderView]:
    """The newest first. Follow `next_cursor`, with the same filters, until it is null."""
    found = await orders.newest(filters, caller=caller, before=paging.after, limit=paging.wanted)
    return paging.page([OrderView.model_validate(order) for order in found])


@router.get("/{order_id}", summary="Read an order", responses=problems(OrderNotFound))
async def read_order(caller: ReadOrders, order_id: UUID, orders: OrdersToRead, response: Response) -> OrderView:
    """Its `ETag` names the version that was read."""
    return show_order(await orders.read(order_id, caller=caller), response)


@router.patch(
    "/{order_id}",
    summary="Change an order",
    responses=problems(OrderNotFound, OrderAlreadyCancelled, VersionChanged, IfMatchMissing),
)
async def change_order(
    caller: WriteOrders, order_id: UUID, changes: OrderChanges, seen: IfMatch, orders: Orders, response: Response
) -> OrderView:
    """Only if nobody has changed it since it was read."""
    return show_order(await orders.change(order_id, changes, caller=caller, seen=seen), response)


@router.post("/{order_id}/cancel", summary="Cancel an order", responses=problems(OrderNotFound, OrderNotPending))
async def cancel_order(caller: WriteOrders, order_id: UUID, orders: Orders, response: Response) -> OrderView:
    """Only while it is pending; cancelling it again changes nothing."""
    return show_order(await orders.cancel(order_id, caller=caller), response)


def show_order(order: Order, response: Response) -> OrderView:
    set_etag(response, version=order.version)
    return OrderView.model_validate(order)
