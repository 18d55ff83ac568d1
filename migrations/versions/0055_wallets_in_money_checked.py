"""The rules of 0054 look at the rows that are there."""

from alembic import op

revision = "0055"
down_revision = "0054"

_FEE = "FOREIGN KEY (fee_id) REFERENCES fee_charges (id)"
_RULES = {
    ("wallets", "ck_wallets_unit"): "CHECK ((unit_name IS NULL) <> (currency IS NULL))",
    ("wallets", "ck_wallets_fees"): "CHECK (currency IS NOT NULL OR NOT fees)",
    ("wallet_draws", "ck_wallet_draws_cause"): "CHECK (num_nonnulls(summary_id, fee_id) = 1)",
    ("wallet_draws", "fk_wallet_draws_fee_id"): _FEE,
    ("wallet_transfers", "ck_wallet_transfers_cause"): (
        "CHECK ((kind IN ('used', 'returned')) = (num_nonnulls(summary_id, fee_id) = 1)"
        " AND num_nonnulls(summary_id, fee_id) < 2)"
    ),
    ("wallet_transfers", "ck_wallet_transfers_known"): (
        "CHECK (num_nonnulls(window_start, events, voids) = 3 * num_nonnulls(summary_id, fee_id))"
    ),
    ("wallet_transfers", "fk_wallet_transfers_fee_id"): _FEE,
    ("invoices", "ck_invoices_credit_applied"): (
        "CHECK (credit_applied >= 0 AND credit_applied <= greatest(total + tax - prepaid_applied, 0))"
    ),
}


def upgrade() -> None:
    for table, name in _RULES:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    for (table, name), rule in _RULES.items():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule} NOT VALID")
