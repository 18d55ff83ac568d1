"""What 0015 and 0016 replaced goes, and what they promised is checked: a step of its own for the reason of 0009.

It asks for the strongest lock last and holds it for a moment: what takes long is done under a weak one before.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

_OLD_INDEXES = {
    "uq_invoices_subscription_period": "UNIQUE INDEX uq_invoices_subscription_period ON invoices"
    " (subscription_id, period_end) WHERE status <> 'void'",
    "ix_invoices_drafts": "INDEX ix_invoices_drafts ON invoices (subscription_id, period_end) WHERE status = 'draft'",
}
_CHECKS = (
    ("invoices", "kind", "kind IN ('period', 'change', 'correction', 'purchase')"),
    ("invoices", "subscription", "subscription_id IS NOT NULL OR kind = 'purchase'"),
    ("usage_invoice_items", "kind", "kind IN ('usage', 'adjustment', 'fee', 'purchase')"),
    ("usage_invoice_items", "one_cause", "num_nonnulls(summary_id, fee_id, purchase_id) = 1"),
    ("usage_invoice_items", "quota", "(summary_id IS NOT NULL) = (quota_id IS NOT NULL)"),
)
_CAUSE = "uq_usage_invoice_items_summary_id_invoice_id"
_CELL_CAUSE = "uq_usage_invoice_items_summary_id_cell_invoice_id"


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    for table, name, _ in _CHECKS:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{name}")
    op.execute("-- squawk-ignore adding-not-nullable-field\nALTER TABLE invoices ALTER COLUMN closes_at SET NOT NULL")
    for name in _OLD_INDEXES:
        op.execute(f"-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX {name}")
    op.execute(f"ALTER TABLE usage_invoice_items ADD CONSTRAINT {_CELL_CAUSE} UNIQUE USING INDEX {_CELL_CAUSE}")
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE usage_invoice_items DROP CONSTRAINT {_CAUSE}")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute(f"ALTER TABLE usage_invoice_items ADD CONSTRAINT {_CAUSE} UNIQUE (summary_id, invoice_id)")
    op.execute(f"ALTER TABLE usage_invoice_items DROP CONSTRAINT {_CELL_CAUSE}")
    op.execute(f"CREATE UNIQUE INDEX {_CELL_CAUSE} ON usage_invoice_items (summary_id, cell, invoice_id)")
    for statement in _OLD_INDEXES.values():
        op.execute(f"CREATE {statement}")
    op.execute("ALTER TABLE invoices ALTER COLUMN closes_at DROP NOT NULL")
    for table, name, rule in _CHECKS:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")
