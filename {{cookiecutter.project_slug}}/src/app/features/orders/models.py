"""How an order is stored."""

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.persistence.models import Model


class Order(Model):
    """Somebody wants so many of an article."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        CheckConstraint("unit_price_cents >= 0", name="unit_price_is_not_negative"),
    )

    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]
    status: Mapped[str] = mapped_column(String(16), default="pending")

    @property
    def total_cents(self) -> int:
        """What the whole order costs."""
        return self.quantity * self.unit_price_cents
