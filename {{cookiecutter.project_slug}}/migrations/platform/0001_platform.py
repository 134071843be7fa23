"""The root of the template's own branch: later versions of the template add their revisions after it."""

revision = "platform_0001"
down_revision = None
branch_labels = ("platform",)
depends_on = None


def upgrade() -> None:
    """Nothing yet: a branch needs a first revision."""


def downgrade() -> None:
    """Nothing to undo."""
