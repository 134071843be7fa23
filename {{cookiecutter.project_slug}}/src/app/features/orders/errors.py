"""What can go wrong with orders."""

from uuid import UUID

from app.core.errors import NotFound


class OrderNotFound(NotFound):
    """No such order."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no order {order_id}.")
        self.order_id = order_id
