"""What is left of an allowance when a period ends is carried over, where the quota says so: as a grant that follows.

What is there already keeps the new rules: it is looked at by the next migration.
"""

from alembic import op

revision = "0077"
down_revision = "0076"

_BEFORE = {
    "made_by": "num_nonnulls(key, schedule_id, rolls_from) = 1",
    "rollover": "(category = 'rollover') = (rolls_from IS NOT NULL)"
    " AND (rolls_from IS NOT NULL OR num_nonnulls(rollover_max, rollover_percent) = 0)",
    "amount": "amount >= 0 AND (amount > 0 OR rolls_from IS NOT NULL) AND amount <= 1e15",
}
_GRANTS = {
    "made_by": "num_nonnulls(key, schedule_id, rolls_from, unused_of) = 1",
    "rollover": "(category = 'rollover') = (num_nonnulls(rolls_from, unused_of) = 1)"
    " AND (rolls_from IS NOT NULL OR num_nonnulls(rollover_max, rollover_percent) = 0)",
    "amount": "amount >= 0 AND (amount > 0 OR num_nonnulls(rolls_from, unused_of) = 1) AND amount <= 1e15",
}
_QUOTAS = {
    "rollover": "CASE WHEN rollover_periods IS NULL"
    " THEN num_nonnulls(rollover_max, rollover_percent, rollover_grace_seconds) = 0"
    " ELSE monthly_limit IS NOT NULL AND rollover_grace_seconds IS NOT NULL AND rollover_grace_seconds >= 0"
    " AND rollover_periods BETWEEN 1 AND 366 END",
    "rollover_max": "rollover_max > 0 AND rollover_max <= 1e15",
    "rollover_percent": "rollover_percent BETWEEN 1 AND 100",
}


def _drop(table: str, name: str) -> None:
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")


def _add(table: str, name: str, rule: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")


def upgrade() -> None:
    op.execute("ALTER TABLE wallets ADD COLUMN unused_at timestamptz")
    op.execute('ALTER TABLE wallet_grants ADD COLUMN unused_of varchar(128) COLLATE "C"')
    op.execute(
        "ALTER TABLE wallet_grants ADD CONSTRAINT fk_wallet_grants_unused_of"
        " FOREIGN KEY (unused_of) REFERENCES subscriptions (id) NOT VALID"
    )
    for name, rule in _GRANTS.items():
        _drop("wallet_grants", name)
        _add("wallet_grants", name, rule)
    columns = (
        "rollover_periods integer",
        "rollover_max numeric(28, 12)",
        "rollover_percent integer",
        "rollover_grace_seconds integer",
    )
    for column in columns:
        op.execute(f"ALTER TABLE usage_quotas ADD COLUMN {column}")
    for name, rule in _QUOTAS.items():
        _add("usage_quotas", name, rule)


def downgrade() -> None:
    # A build before this one knows only what was given: what was carried over counts as that there.
    op.execute("ALTER TABLE wallet_transfers DISABLE TRIGGER wallet_transfers_are_append_only")
    op.execute(
        "DELETE FROM wallet_transfers WHERE kind IN ('rolled_in', 'rolled_off')"
        " AND grant_id IN (SELECT id FROM wallet_grants WHERE unused_of IS NOT NULL)"
    )
    op.execute(
        "INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost)"
        " SELECT wallet_id, id, 'given', 'grant', 'given', amount, 0 FROM wallet_grants"
        " WHERE unused_of IS NOT NULL AND amount > 0"
    )
    op.execute(
        "DELETE FROM wallet_transfers WHERE grant_id IN"
        " (SELECT id FROM wallet_grants WHERE unused_of IS NOT NULL AND amount = 0)"
    )
    op.execute("ALTER TABLE wallet_transfers ENABLE TRIGGER wallet_transfers_are_append_only")
    for name in _GRANTS:
        _drop("wallet_grants", name)
    for name in _QUOTAS:
        _drop("usage_quotas", name)
    op.execute("DELETE FROM wallet_grants WHERE unused_of IS NOT NULL AND amount = 0")
    op.execute(
        "UPDATE wallet_grants SET category = 'promotional', key = 'rollover:' || id, unused_of = NULL"
        " WHERE unused_of IS NOT NULL"
    )
    op.execute("ALTER TABLE wallet_grants DROP COLUMN unused_of")
    op.execute("ALTER TABLE wallets DROP COLUMN unused_at")
    for column in ("rollover_periods", "rollover_max", "rollover_percent", "rollover_grace_seconds"):
        op.execute(f"ALTER TABLE usage_quotas DROP COLUMN {column}")
    for name, rule in _BEFORE.items():
        op.execute(
            "-- squawk-ignore constraint-missing-not-valid\n"
            f"ALTER TABLE wallet_grants ADD CONSTRAINT ck_wallet_grants_{name} CHECK ({rule})"
        )
