"""The index of ``usage`` that 0010 replaced; a step of its own for the reason that 0009 gives."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX ix_usage_occurred")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("CREATE INDEX ix_usage_occurred ON usage (hashtextextended(subscription_id, 0), occurred_at)")
