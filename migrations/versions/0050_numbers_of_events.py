"""No two events have one number, among all and among their customer's. The indexes are made beside the service."""

from alembic import op

revision = "0050"
down_revision = "0049"

_INDEXES = {
    "uq_outbox_messages_public_id": "public_id",
    "uq_outbox_messages_position": "position",
    "uq_outbox_messages_sequence": "customer_id, sequence",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        for name, columns in _INDEXES.items():
            # Half made by a start that was interrupted.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {name} ON outbox_messages ({columns})")
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, table_name="outbox_messages")
