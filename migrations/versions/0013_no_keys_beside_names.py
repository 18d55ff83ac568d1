"""The index of ``usage`` that 0012 replaced; a step of its own for the reason that 0009 gives."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX uq_usage_key")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(
        "CREATE UNIQUE INDEX uq_usage_key ON usage"
        " (subscription_id, substr(sha256(((source || '/') || idempotency_key)::bytea), 1, 16))"
    )
