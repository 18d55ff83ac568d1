"""Credit that an admin gives by hand: an entry without an invoice, with a reason and perhaps a key.

What is stored is of invoices and obeys the new rules as it is. The rules are looked at in 0038, so that this step holds
its locks for a moment.
"""

from alembic import op

revision = "0037"
down_revision = "0036"

_KINDS = "'granted', 'applied', 'granted_undone', 'applied_undone'"
_RULES = {
    "kind": f"kind IN ({_KINDS}, 'by_hand')",
    "invoice": "(kind = 'by_hand') = (invoice_id IS NULL)",
    "by_hand": "(kind = 'by_hand') = (reason IS NOT NULL) AND (kind = 'by_hand' OR key IS NULL)",
    "amount": "kind <> 'by_hand' OR (amount > 0 AND amount <= 1e15)",
}


def upgrade() -> None:
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE credit_entries ALTER COLUMN invoice_id DROP NOT NULL")
    op.execute("ALTER TABLE credit_entries ADD COLUMN reason varchar(256)")
    op.execute('ALTER TABLE credit_entries ADD COLUMN key varchar(128) COLLATE "C"')
    # The next rule of that name lets in all that this one does.
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE credit_entries DROP CONSTRAINT ck_credit_entries_kind"
    )
    for name, rule in _RULES.items():
        op.execute(f"ALTER TABLE credit_entries ADD CONSTRAINT ck_credit_entries_{name} CHECK ({rule}) NOT VALID")


def downgrade() -> None:
    # What was given by hand is forgotten, as far as it is still in hand.
    op.execute(
        """
        UPDATE credit_balances AS b
        SET balance = greatest(b.balance - e.amount, 0)
        FROM (
            SELECT customer_id, currency, sum(amount) AS amount
            FROM credit_entries
            WHERE kind = 'by_hand'
            GROUP BY 1, 2
        ) AS e
        WHERE (b.customer_id, b.currency) = (e.customer_id, e.currency)
        """
    )
    op.execute("DELETE FROM credit_entries WHERE kind = 'by_hand'")
    for name in _RULES:
        op.execute(f"ALTER TABLE credit_entries DROP CONSTRAINT ck_credit_entries_{name}")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE credit_entries ADD CONSTRAINT ck_credit_entries_kind CHECK (kind IN ({_KINDS}))"
    )
    for name in ("key", "reason"):
        op.execute(f"ALTER TABLE credit_entries DROP COLUMN {name}")
    op.execute("ALTER TABLE credit_entries ALTER COLUMN invoice_id SET NOT NULL")
