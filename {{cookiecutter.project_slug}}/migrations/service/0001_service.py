"""The root of your branch: `make migration name=…` adds your revisions after it."""

revision = "service_0001"
down_revision = None
branch_labels = ("service",)
depends_on = "platform_0001"


def upgrade() -> None:
    """Nothing: the branch begins here, with or without the sample."""


def downgrade() -> None:
    """Nothing to undo."""
