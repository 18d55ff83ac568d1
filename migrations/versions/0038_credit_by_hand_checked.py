"""The rules of 0037 look at the rows that are there, and a key of credit by hand is there once for a customer."""

from alembic import op

revision = "0038"
down_revision = "0037"

_RULES = {
    "kind": "kind IN ('granted', 'applied', 'granted_undone', 'applied_undone', 'by_hand')",
    "invoice": "(kind = 'by_hand') = (invoice_id IS NULL)",
    "by_hand": "(kind = 'by_hand') = (reason IS NOT NULL) AND (kind = 'by_hand' OR key IS NULL)",
    "amount": "kind <> 'by_hand' OR (amount > 0 AND amount <= 1e15)",
}


def upgrade() -> None:
    for name in _RULES:
        op.execute(f"ALTER TABLE credit_entries VALIDATE CONSTRAINT ck_credit_entries_{name}")
    # Entries are as few as invoices that credit has a part in, and none of them has a key: that is over in a moment.
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE UNIQUE INDEX uq_credit_entries_customer_key ON credit_entries (customer_id, key) WHERE key IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX uq_credit_entries_customer_key")
    for name, rule in _RULES.items():
        op.execute(f"ALTER TABLE credit_entries DROP CONSTRAINT ck_credit_entries_{name}")
        op.execute(f"ALTER TABLE credit_entries ADD CONSTRAINT ck_credit_entries_{name} CHECK ({rule}) NOT VALID")
