"""Two indexes of ``usage`` at half their size: each held names whole that a hash tells apart.

One transaction, for an index made beside the service can be left half made. Until it ends nothing is written to
``usage``: recordings are accepted all the same, wait in the inbox and are counted after it.
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
    # What it promised, uq_usage_key does now.
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE usage DROP CONSTRAINT uq_usage_recording_key"
    )
    op.execute("-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX ix_usage_subscription_occurred")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.create_unique_constraint("uq_usage_recording_key", "usage", ["subscription_id", "source", "idempotency_key"])
    op.create_index("ix_usage_subscription_occurred", "usage", ["subscription_id", "occurred_at", "id"])
    op.drop_index("ix_usage_occurred", table_name="usage")
    op.drop_index("uq_usage_key", table_name="usage")
