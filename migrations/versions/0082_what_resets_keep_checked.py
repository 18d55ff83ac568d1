"""The rules on what a reset keeps hold for the grants that are there."""

from alembic import op

revision = "0082"
down_revision = "0081"

_RULES = {
    "fk_wallet_grants_kept_in": "FOREIGN KEY (kept_in) REFERENCES wallet_grants (id)",
    "ck_wallet_grants_rollover": "CHECK ((category = 'rollover' OR num_nonnulls(rolls_from, unused_of, rollover_max) = 0)"
    " AND (rolls_from IS NOT NULL OR rollover_percent IS NULL)"
    " AND (key IS NOT NULL AND category = 'rollover') = (rollover_max IS NOT NULL AND rolls_from IS NULL))",
    "ck_wallet_grants_amount": "CHECK (amount >= 0 AND (amount > 0 OR category = 'rollover') AND amount <= 1e15)",
    "ck_wallet_grants_cost": "CHECK ((cost = 0 OR cost_currency IS NOT NULL)"
    " AND (cost > 0 OR cost_currency IS NULL OR category = 'rollover') AND cost >= 0 AND cost <= 1e15)",
    "ck_wallet_grants_cost_of_category": "CHECK (CASE category WHEN 'purchased' THEN cost > 0"
    " WHEN 'rollover' THEN key IS NOT NULL OR cost_currency IS NULL ELSE cost = 0 END)",
    "ck_wallet_grants_rolled_over": "CHECK (rolled_over = 0 OR cost = 0 OR kept_in IS NOT NULL)",
    "ck_wallet_grants_kept_in": "CHECK (kept_in IS NULL OR (reset_at IS NOT NULL AND kept_in <> id))",
}


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    for name in _RULES:
        op.execute(f"ALTER TABLE wallet_grants VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    for name, rule in _RULES.items():
        op.execute(f"ALTER TABLE wallet_grants DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE wallet_grants ADD CONSTRAINT {name} {rule} NOT VALID")
