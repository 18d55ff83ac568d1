"""The subscription in the id of what an allowance left is found by an index, which is made beside the service."""

from alembic import op

revision = "0084"
down_revision = "0083"

_NAME = "ix_subscriptions_seal"
_SEAL = r"substr(sha256(decode(replace(id, '\', '\\'), 'escape')), 1, 3)"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_NAME} ON subscriptions (({_SEAL}))")
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")


def downgrade() -> None:
    op.execute(f"DROP INDEX {_NAME}")
