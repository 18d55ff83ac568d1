"""A purchase has one item on an invoice.

The index is made beside the service. No item charges for a purchase yet, so it is empty.
"""

from alembic import op

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_usage_invoice_items_purchase")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_usage_invoice_items_purchase"
            " ON usage_invoice_items (purchase_id, invoice_id) WHERE purchase_id IS NOT NULL"
        )
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")


def downgrade() -> None:
    op.drop_index("uq_usage_invoice_items_purchase", table_name="usage_invoice_items")
