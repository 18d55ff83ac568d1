"""A reset may keep some of what it ends, in one grant that the others are kept in, with its part of their cost.

What is there already keeps the new rules: they are looked at by the next migration.
"""

from alembic import op

revision = "0081"
down_revision = "0080"

_GRANTS = {
    "rollover": "(category = 'rollover' OR num_nonnulls(rolls_from, unused_of, rollover_max) = 0)"
    " AND (rolls_from IS NOT NULL OR rollover_percent IS NULL)"
    " AND (key IS NOT NULL AND category = 'rollover') = (rollover_max IS NOT NULL AND rolls_from IS NULL)",
    "amount": "amount >= 0 AND (amount > 0 OR category = 'rollover') AND amount <= 1e15",
    "cost": "(cost = 0 OR cost_currency IS NOT NULL) AND (cost > 0 OR cost_currency IS NULL OR category = 'rollover')"
    " AND cost >= 0 AND cost <= 1e15",
    "cost_of_category": "CASE category WHEN 'purchased' THEN cost > 0"
    " WHEN 'rollover' THEN key IS NOT NULL OR cost_currency IS NULL ELSE cost = 0 END",
    "rolled_over": "rolled_over = 0 OR cost = 0 OR kept_in IS NOT NULL",
}
_NEW = {"kept_in": "kept_in IS NULL OR (reset_at IS NOT NULL AND kept_in <> id)"}
_BEFORE = {
    "rollover": "(category = 'rollover') = (num_nonnulls(rolls_from, unused_of) = 1)"
    " AND (rolls_from IS NOT NULL OR num_nonnulls(rollover_max, rollover_percent) = 0)",
    "amount": "amount >= 0 AND (amount > 0 OR num_nonnulls(rolls_from, unused_of) = 1) AND amount <= 1e15",
    "cost": "(cost > 0) = (cost_currency IS NOT NULL) AND cost >= 0 AND cost <= 1e15",
    "cost_of_category": "(category = 'purchased') = (cost > 0)",
    "rolled_over": "rolled_over = 0 OR cost = 0",
}
_KEPT = "SELECT id FROM wallet_grants WHERE category = 'rollover' AND key IS NOT NULL"


def _drop(name: str) -> None:
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE wallet_grants DROP CONSTRAINT ck_wallet_grants_{name}")


def _add(name: str, rule: str) -> None:
    op.execute(f"ALTER TABLE wallet_grants ADD CONSTRAINT ck_wallet_grants_{name} CHECK ({rule}) NOT VALID")


def upgrade() -> None:
    op.execute("ALTER TABLE wallet_grants ADD COLUMN kept_in uuid")
    op.execute(
        "ALTER TABLE wallet_grants ADD CONSTRAINT fk_wallet_grants_kept_in"
        " FOREIGN KEY (kept_in) REFERENCES wallet_grants (id) NOT VALID"
    )
    for name in _GRANTS:
        _drop(name)
    for name, rule in (_GRANTS | _NEW).items():
        _add(name, rule)


def downgrade() -> None:
    # A build before this one knows only what was sold, given or taken back: what was kept counts as that there.
    op.execute("ALTER TABLE wallet_transfers DISABLE TRIGGER wallet_transfers_are_append_only")
    op.execute(
        "INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost)"
        " SELECT g.wallet_id, g.id, 'taken_back', 'taken_back', 'grant', g.rolled_over,"
        " (SELECT sum(CASE t.kind WHEN 'rolled_out' THEN t.cost WHEN 'rolled_back' THEN -t.cost ELSE 0 END)"
        " FROM wallet_transfers AS t WHERE t.grant_id = g.id)"
        " FROM wallet_grants AS g WHERE g.kept_in IS NOT NULL AND g.rolled_over > 0"
    )
    op.execute(
        "DELETE FROM wallet_transfers WHERE kind IN ('rolled_out', 'rolled_back')"
        " AND grant_id IN (SELECT id FROM wallet_grants WHERE kept_in IS NOT NULL)"
    )
    op.execute(
        f"DELETE FROM wallet_transfers WHERE kind IN ('rolled_in', 'rolled_off') AND grant_id IN ({_KEPT})"
    )
    op.execute(
        "INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost)"
        " SELECT wallet_id, id, CASE WHEN cost > 0 THEN 'sold' ELSE 'given' END, 'grant',"
        " CASE WHEN cost > 0 THEN 'sold' ELSE 'given' END, amount, cost"
        f" FROM wallet_grants WHERE amount > 0 AND id IN ({_KEPT})"
    )
    op.execute(f"DELETE FROM wallet_transfers WHERE grant_id IN ({_KEPT} AND amount = 0)")
    op.execute("ALTER TABLE wallet_transfers ENABLE TRIGGER wallet_transfers_are_append_only")
    for name in (*_GRANTS, *_NEW):
        _drop(name)
    op.execute(
        "UPDATE wallet_grants SET taken_back = taken_back + rolled_over, rolled_over = 0"
        " WHERE kept_in IS NOT NULL AND rolled_over > 0"
    )
    op.execute("ALTER TABLE wallet_grants DROP COLUMN kept_in")
    op.execute("DELETE FROM wallet_grants WHERE category = 'rollover' AND key IS NOT NULL AND amount = 0")
    op.execute(
        "UPDATE wallet_grants SET category = CASE WHEN cost > 0 THEN 'purchased' ELSE 'promotional' END,"
        " cost_currency = CASE WHEN cost > 0 THEN cost_currency END, rollover_max = NULL"
        " WHERE category = 'rollover' AND key IS NOT NULL"
    )
    for name, rule in _BEFORE.items():
        _add(name, rule)
    op.execute("SET LOCAL statement_timeout = 0")
    for name in _BEFORE:
        op.execute(f"ALTER TABLE wallet_grants VALIDATE CONSTRAINT ck_wallet_grants_{name}")
