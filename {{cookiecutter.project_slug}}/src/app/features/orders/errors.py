"""What can go wrong with orders."""

from uuid import UUID

from app.core.errors import Conflict, NotFound


class OrderNotFound(NotFound):
    """No such order, or none of the caller's tenant."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no order {order_id}.")
        self.order_id = order_id


class OrderAlreadyCancelled(Conflict):
    """A cancelled order stays as it is."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"Order {order_id} is cancelled: place a new one.")
        self.order_id = order_id


class OrderNotPending(Conflict):
    """What is paid, or may be, cannot be cancelled."""

    def __init__(self, order_id: UUID, status: str) -> None:
        super().__init__(f"Order {order_id} is {status}: only a pending one can be cancelled.")
        self.order_id = order_id
        self.status = status
