"""Orders over HTTP."""

from uuid import UUID

from fastapi import APIRouter, Response, status

from app.features.orders.dependencies import Orders
from app.features.orders.errors import OrderNotFound
from app.features.orders.schemas import NewOrder, OrderView
from app.web.dependencies import PageCursors
from app.web.openapi import problems
from app.web.pagination import Cursor, Limit, Page

router = APIRouter(prefix="/v1/orders", tags=["orders"])


@router.post("", summary="Place an order", status_code=status.HTTP_201_CREATED)
async def place_order(request: NewOrder, orders: Orders, response: Response) -> OrderView:
    """The answer's `Location` is where the order can be read."""
    order = await orders.place(request)
    response.headers["Location"] = f"{router.prefix}/{order.id}"
    return OrderView.model_validate(order)


@router.get("/{order_id}", summary="Read an order", responses=problems(OrderNotFound))
async def read_order(order_id: UUID, orders: Orders) -> OrderView:
    """One order, by its id."""
    return OrderView.model_validate(await orders.read(order_id))


@router.get("", summary="List orders")
async def list_orders(
    orders: Orders, cursors: PageCursors, limit: Limit = 20, cursor: Cursor = None
) -> Page[OrderView]:
    """The newest first. Follow `next_cursor` until it is null."""
    after = cursors.read(cursor) if cursor else None
    found = await orders.list_newest(after=after, limit=limit + 1)
    return cursors.page([OrderView.model_validate(order) for order in found], limit=limit)
