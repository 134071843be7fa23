"""How an order is stored, and what can become of it."""

from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.features.orders.errors import OrderAlreadyCancelled, OrderNotPending
from app.persistence.models import Model, Owned


class Order(Owned, Model):
    """Somebody wants so many of an article.

    pending ── a job ──▶ charging ── paid ─────▶ confirmed
       │                     └────── refused ──▶ declined
       └─── the caller ──▶ cancelled
    """

    __tablename__ = "orders"

    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]
    note: Mapped[str | None] = mapped_column(String(500))
    # The release before knows nothing of shipping, and places orders until this one is rolled out.
    shipping_cents: Mapped[int] = mapped_column(server_default="0")
    shipping_source: Mapped[str] = mapped_column(String(16), server_default="flat_rate")
    status: Mapped[str] = mapped_column(String(16), default="pending")
    charge_id: Mapped[str | None] = mapped_column(String(64))
    confirmed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy declares it so; it counts every change
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        CheckConstraint("unit_price_cents >= 0", name="unit_price_is_not_negative"),
        CheckConstraint("shipping_cents >= 0", name="shipping_is_not_negative"),
        CheckConstraint(
            "status IN ('pending', 'charging', 'confirmed', 'declined', 'cancelled')", name="status_is_known"
        ),
        # One for each way to list them: a tenant's orders, by status, by article, always the newest first.
        Index("ix_orders_tenant_id_id", "tenant_id", "id"),
        Index("ix_orders_tenant_id_status_id", "tenant_id", "status", "id"),
        Index("ix_orders_tenant_id_sku_id", "tenant_id", "sku", "id"),
    )

    @property
    def total_cents(self) -> int:
        """What the whole order costs."""
        return self.quantity * self.unit_price_cents + self.shipping_cents

    def begin_charging(self) -> bool:
        """From now on it may have been paid, whether we know it or not; says whether there is something to charge."""
        if self.status == "pending":
            self.status = "charging"
        return self.status == "charging"

    def settle(self, charge_id: str | None) -> bool:
        """Paid with this charge, or refused. Doing it twice does it once; says whether it did."""
        is_charging = self.status == "charging"
        if is_charging and charge_id is not None:
            self.status, self.charge_id, self.confirmed_at = "confirmed", charge_id, datetime.now(UTC)
        elif is_charging:
            self.status = "declined"
        return is_charging

    def change(self, *, note: str | None) -> None:
        """Raises `OrderAlreadyCancelled`."""
        if self.status == "cancelled":
            raise OrderAlreadyCancelled(self.id)
        self.note = note

    def cancel(self) -> None:
        """Doing it twice does it once. Raises `OrderNotPending`."""
        if self.status not in ("pending", "cancelled"):
            raise OrderNotPending(self.id, self.status)
        self.status = "cancelled"
