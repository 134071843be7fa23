"""What shipping an order costs, and its charge."""

import sqlalchemy as sa
from alembic import op

revision = "service_0003"
down_revision = "service_0002"
branch_labels = None
depends_on = None

BEFORE = "status IN ('pending', 'confirmed', 'cancelled')"
NOW = "status IN ('pending', 'charging', 'confirmed', 'declined', 'cancelled')"


def upgrade() -> None:
    # With defaults: the release before goes on placing orders while this one is rolled out.
    op.add_column("orders", sa.Column("shipping_cents", sa.Integer(), server_default="0", nullable=False))
    op.add_column("orders", sa.Column("shipping_source", sa.String(16), server_default="flat_rate", nullable=False))
    op.add_column("orders", sa.Column("charge_id", sa.String(64), nullable=True))
    op.create_check_constraint(op.f("ck_orders_shipping_is_not_negative"), "orders", "shipping_cents >= 0")
    op.drop_constraint(op.f("ck_orders_status_is_known"), "orders")
    op.create_check_constraint(op.f("ck_orders_status_is_known"), "orders", NOW)


def downgrade() -> None:
    # Nearest to what they are: the job charges by the same key again, and nobody pays for what was declined.
    op.execute("UPDATE orders SET status = 'pending' WHERE status = 'charging'")
    op.execute("UPDATE orders SET status = 'cancelled' WHERE status = 'declined'")
    op.drop_constraint(op.f("ck_orders_status_is_known"), "orders")
    op.create_check_constraint(op.f("ck_orders_status_is_known"), "orders", BEFORE)
    op.drop_constraint(op.f("ck_orders_shipping_is_not_negative"), "orders")
    for column in ("charge_id", "shipping_source", "shipping_cents"):
        op.drop_column("orders", column)
