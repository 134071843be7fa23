"""The queue of work done later: procrastinate's own schema, and an index for what waits for an operator.

A later release of the library brings migrations of its own: put them into a new revision, and leave this one.
"""

from pathlib import Path

from alembic import op

revision = "platform_0003"
down_revision = "platform_0002"
branch_labels = None
depends_on = None

SCHEMA = Path(__file__).with_name("procrastinate_3_10.sql")

DROP_FUNCTIONS = r"""
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE proname LIKE 'procrastinate\_%' AND pronamespace = current_schema()::regnamespace
    LOOP
        EXECUTE 'DROP FUNCTION ' || found || ' CASCADE';  -- and its triggers
    END LOOP;
END;
$$
"""


def upgrade() -> None:
    run_script(SCHEMA.read_text(encoding="utf-8"))
    # Jobs that failed for good are few among many that succeeded, and are counted all the time.
    op.execute("CREATE INDEX procrastinate_jobs_failed ON procrastinate_jobs (id) WHERE status = 'failed'")


def downgrade() -> None:
    op.execute(DROP_FUNCTIONS)
    op.execute(
        "DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers"
    )
    for name in ("job_to_defer_v1", "job_event_type", "job_status"):
        op.execute(f"DROP TYPE procrastinate_{name}")


def run_script(script: str) -> None:
    """Many statements at once, which only the driver itself can send, in this revision's transaction."""
    op.execute("SELECT 1")  # SQLAlchemy begins the transaction with its own first statement
    op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute(script))
