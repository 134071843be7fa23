"""What the routes of orders ask for, as types in their signatures."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from app.features.orders.repository import OrderRepository, StoredOrders
from app.features.orders.schemas import NewOrder, OrderFilters, Sku, Status
from app.features.orders.service import OrderQueries, OrderService
from app.features.orders.shipping import Shipping, shipping_for
from app.security.principal import Principal
from app.web.authentication import requires
from app.web.dependencies import CurrentReader, CurrentResources, Jobs, Session

ReadOrders = Annotated[Principal, requires("orders:read")]
WriteOrders = Annotated[Principal, requires("orders:write")]


@dataclass(frozen=True)
class QuotedOrder:
    """What is wanted, and what it costs to ship it."""

    request: NewOrder
    shipping: Shipping


async def quoted_order(request: NewOrder, resources: CurrentResources) -> QuotedOrder:
    """Stands before everything that opens a session: no connection is held while the partner thinks."""
    return QuotedOrder(request, await shipping_for(request.sku, request.quantity, resources))


async def order_service(session: Session, jobs: Jobs) -> OrderService:
    return OrderService(orders=OrderRepository(session), jobs=jobs)


async def order_queries(reader: CurrentReader) -> OrderQueries:
    return OrderQueries(StoredOrders(reader))


async def order_filters(
    status: Annotated[Status | None, Query(description="Only those in this state.")] = None,
    sku: Annotated[Sku | None, Query(description="Only those of this article.")] = None,
) -> OrderFilters:
    return OrderFilters(status=status, sku=sku)


Quoted = Annotated[QuotedOrder, Depends(quoted_order)]
Orders = Annotated[OrderService, Depends(order_service)]
OrdersToRead = Annotated[OrderQueries, Depends(order_queries)]
Filters = Annotated[OrderFilters, Depends(order_filters)]
