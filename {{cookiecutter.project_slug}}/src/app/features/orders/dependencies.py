"""The service of orders, as a type in a route's signature."""

from typing import Annotated

from fastapi import Depends

from app.features.orders.repository import OrderRepository
from app.features.orders.service import OrderService
from app.web.dependencies import Session


def order_service(session: Session) -> OrderService:
    return OrderService(orders=OrderRepository(session))


Orders = Annotated[OrderService, Depends(order_service)]
