"""The two indexes of ``usage`` that 0008 replaced.

A step of its own: a lock that nobody shares is taken at once and for a moment, or not at all. Taken at the end of the
step before it would wait for whoever reads, who may be waiting to write. Workers of the version before look keys up by
what goes here: they lose nothing without it, but are slow until they are restarted.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE usage DROP CONSTRAINT uq_usage_recording_key")
    op.execute("-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX ix_usage_subscription_occurred")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.create_unique_constraint("uq_usage_recording_key", "usage", ["subscription_id", "source", "idempotency_key"])
    op.create_index("ix_usage_subscription_occurred", "usage", ["subscription_id", "occurred_at", "id"])
