"""Two indexes of ``usage`` at half their size: those that are there hold names whole that a hash tells apart.

They are made in one transaction, for one made beside the service can be left half made. Until it ends nothing is
written to ``usage``: recordings are accepted all the same, wait in the inbox and are counted after it.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE UNIQUE INDEX uq_usage_key ON usage"
        " (subscription_id, substr(sha256(((source || '/') || idempotency_key)::bytea), 1, 16))"
    )
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX ix_usage_occurred ON usage (hashtextextended(subscription_id, 0), occurred_at)"
    )
    # What they hold are expressions, of which the planner knows nothing yet.
    op.execute("ANALYZE usage")


def downgrade() -> None:
    op.drop_index("ix_usage_occurred", table_name="usage")
    op.drop_index("uq_usage_key", table_name="usage")
