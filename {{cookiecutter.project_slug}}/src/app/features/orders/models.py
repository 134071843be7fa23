"""How an order is stored, and what can become of it."""

from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.features.orders.errors import OrderAlreadyCancelled
from app.persistence.models import Model, Owned


class Order(Owned, Model):
    """Somebody wants so many of an article.

    pending ── a job ──▶ confirmed
       └──── the caller ────┴──▶ cancelled
    """

    __tablename__ = "orders"

    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]
    note: Mapped[str | None] = mapped_column(String(500))
    status: Mapped[str] = mapped_column(String(16), default="pending")
    confirmed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy declares it so; it counts every change
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        CheckConstraint("unit_price_cents >= 0", name="unit_price_is_not_negative"),
        CheckConstraint("status IN ('pending', 'confirmed', 'cancelled')", name="status_is_known"),
        # One for each way to list them: a tenant's orders, by status, by article, always the newest first.
        Index("ix_orders_tenant_id_id", "tenant_id", "id"),
        Index("ix_orders_tenant_id_status_id", "tenant_id", "status", "id"),
        Index("ix_orders_tenant_id_sku_id", "tenant_id", "sku", "id"),
    )

    @property
    def total_cents(self) -> int:
        """What the whole order costs."""
        return self.quantity * self.unit_price_cents

    def confirm(self) -> bool:
        """Only what is pending, so doing it twice does it once; says whether it did."""
        is_pending = self.status == "pending"
        if is_pending:
            self.status, self.confirmed_at = "confirmed", datetime.now(UTC)
        return is_pending

    def change(self, *, note: str | None) -> None:
        """Raises `OrderAlreadyCancelled`."""
        if self.status == "cancelled":
            raise OrderAlreadyCancelled(self.id)
        self.note = note

    def cancel(self) -> None:
        """Doing it twice does it once."""
        self.status = "cancelled"
