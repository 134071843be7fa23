"""What the routes of orders ask for, as types in their signatures."""

from typing import Annotated

from fastapi import Depends, Query

from app.features.orders.repository import OrderRepository
from app.features.orders.schemas import OrderFilters, Sku, Status
from app.features.orders.service import OrderService
from app.security.principal import Principal
from app.web.authentication import requires
from app.web.dependencies import Jobs, Session

ReadOrders = Annotated[Principal, requires("orders:read")]
WriteOrders = Annotated[Principal, requires("orders:write")]


async def order_service(session: Session, jobs: Jobs) -> OrderService:
    return OrderService(orders=OrderRepository(session), jobs=jobs)


async def order_filters(
    status: Annotated[Status | None, Query(description="Only those in this state.")] = None,
    sku: Annotated[Sku | None, Query(description="Only those of this article.")] = None,
) -> OrderFilters:
    return OrderFilters(status=status, sku=sku)


Orders = Annotated[OrderService, Depends(order_service)]
Filters = Annotated[OrderFilters, Depends(order_filters)]
