"""What the routes of orders ask for, as types in their signatures."""

from typing import Annotated

from fastapi import Depends, Query

from app.features.orders.repository import OrderRepository
from app.features.orders.schemas import OrderFilters, Sku, Status
from app.features.orders.service import OrderService
from app.jobs.queue import JobQueue
from app.security.principal import Principal
from app.web.authentication import requires
from app.web.dependencies import Jobs, ReadSession, Session

ReadOrders = Annotated[Principal, requires("orders:read")]
WriteOrders = Annotated[Principal, requires("orders:write")]


async def order_service(session: Session, jobs: Jobs) -> OrderService:
    return OrderService(orders=OrderRepository(session), jobs=jobs)


async def order_service_to_read(session: ReadSession) -> OrderService:
    """The same without a transaction, for routes that change nothing."""
    return OrderService(orders=OrderRepository(session), jobs=JobQueue(session))


async def order_filters(
    status: Annotated[Status | None, Query(description="Only those in this state.")] = None,
    sku: Annotated[Sku | None, Query(description="Only those of this article.")] = None,
) -> OrderFilters:
    return OrderFilters(status=status, sku=sku)


Orders = Annotated[OrderService, Depends(order_service)]
OrdersToRead = Annotated[OrderService, Depends(order_service_to_read)]
Filters = Annotated[OrderFilters, Depends(order_filters)]
