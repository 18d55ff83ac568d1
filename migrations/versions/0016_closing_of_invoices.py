"""Every invoice that is there is due to be final at the end of its period; and the indexes of 0015's columns.

The guard of final invoices is off while ``closes_at`` is filled in. Meanwhile billing waits, the only one that writes
invoices and their items; who reads them does not.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

_INDEXES = (
    "UNIQUE INDEX uq_invoices_subscription_kind_closing ON invoices (subscription_id, kind, closes_at)"
    " WHERE status <> 'void'",
    "UNIQUE INDEX uq_invoices_open_correction ON invoices (subscription_id)"
    " WHERE kind = 'correction' AND status = 'draft'",
    "INDEX ix_invoices_drafts_closing ON invoices (subscription_id, closes_at) WHERE status = 'draft'",
    "INDEX ix_invoices_drafts_customer ON invoices (customer_id, closes_at) WHERE status = 'draft'",
    "UNIQUE INDEX uq_usage_invoice_items_summary_id_cell_invoice_id ON usage_invoice_items"
    " (summary_id, cell, invoice_id)",
)


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("ALTER TABLE invoices DISABLE TRIGGER finalized_invoices_never_change")
    op.execute("UPDATE invoices SET closes_at = period_end WHERE closes_at IS NULL")
    op.execute("ALTER TABLE invoices ENABLE TRIGGER finalized_invoices_never_change")
    for index in _INDEXES:
        op.execute(f"-- squawk-ignore require-concurrent-index-creation\nCREATE {index}")


def downgrade() -> None:
    for index in _INDEXES:
        words = index.split()
        op.execute(f"DROP INDEX {words[words.index('INDEX') + 1]}")
