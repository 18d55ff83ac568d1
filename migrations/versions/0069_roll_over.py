"""What is left of a grant is carried over: to a grant of its own, that follows late usage until the first is closed.

What is there already keeps the new rules: it is looked at by the next migration.
"""

from alembic import op

revision = "0069"
down_revision = "0068"

_BEFORE = "posted + expired + taken_back + refunded"
_OUT = f"{_BEFORE} + rolled_over"
_KINDS = "'sold', 'given', 'used', 'returned', 'expired', 'taken_back', 'refunded'"
_GRANTS = {
    "made_by": "num_nonnulls(key, schedule_id, rolls_from) = 1",
    "category": "category IN ('purchased', 'promotional', 'adjustment', 'rollover')",
    "amount": "amount >= 0 AND (amount > 0 OR rolls_from IS NOT NULL) AND amount <= 1e15",
    "out": f"least(posted, expired, taken_back, refunded, rolled_over) >= 0 AND {_OUT} <= amount",
    "nothing_left": f"status IN ('pending', 'active') OR {_OUT} = amount",
}
_NEW = {
    "rollover": "(category = 'rollover') = (rolls_from IS NOT NULL)"
    " AND (rolls_from IS NOT NULL OR num_nonnulls(rollover_max, rollover_percent) = 0)",
    "rolled_over": "rolled_over = 0 OR cost = 0",
}
_GRANTS_BEFORE = {
    "made_by": "(key IS NULL) = (schedule_id IS NOT NULL)",
    "category": "category IN ('purchased', 'promotional', 'adjustment')",
    "amount": "amount > 0 AND amount <= 1e15",
    "out": f"least(posted, expired, taken_back, refunded) >= 0 AND {_BEFORE} <= amount",
    "nothing_left": f"status IN ('pending', 'active') OR {_BEFORE} = amount",
}
_SCHEDULES = {
    "rollover": "CASE WHEN rollover_periods IS NULL THEN num_nonnulls(rollover_max, rollover_percent) = 0"
    " ELSE until_next AND rollover_periods BETWEEN 1 AND 366 END",
    "rollover_max": "rollover_max > 0 AND rollover_max <= 1e15",
    "rollover_percent": "rollover_percent BETWEEN 1 AND 100",
}


def _drop(table: str, name: str) -> None:
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")


def _add(table: str, name: str, rule: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")


def upgrade() -> None:
    for column in ("rolls_from uuid", "rollover_max numeric(28, 12)", "rollover_percent integer"):
        op.execute(f"ALTER TABLE wallet_grants ADD COLUMN {column}")
    op.execute("ALTER TABLE wallet_grants ADD COLUMN rolled_over numeric(40, 12) NOT NULL DEFAULT '0'")
    for column in ("rollover_periods integer", "rollover_max numeric(28, 12)", "rollover_percent integer"):
        op.execute(f"ALTER TABLE wallet_schedules ADD COLUMN {column}")
    op.execute(
        "ALTER TABLE wallet_grants ADD CONSTRAINT fk_wallet_grants_rolls_from"
        " FOREIGN KEY (rolls_from) REFERENCES wallet_grants (id) NOT VALID"
    )
    for name in _GRANTS:
        _drop("wallet_grants", name)
    for name, rule in (_GRANTS | _NEW).items():
        _add("wallet_grants", name, rule)
    for name, rule in _SCHEDULES.items():
        _add("wallet_schedules", name, rule)
    _drop("wallet_transfers", "kind")
    _add("wallet_transfers", "kind", f"kind IN ({_KINDS}, 'rolled_out', 'rolled_back', 'rolled_in', 'rolled_off')")


def downgrade() -> None:
    # A build before this one knows only what was given and what expired: what was carried over counts as that there.
    op.execute("ALTER TABLE wallet_transfers DISABLE TRIGGER wallet_transfers_are_append_only")
    op.execute("ALTER TABLE wallet_transfers DROP CONSTRAINT ck_wallet_transfers_kind")
    op.execute(
        "INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost)"
        " SELECT wallet_id, id, 'given', 'grant', 'given', amount, 0 FROM wallet_grants"
        " WHERE rolls_from IS NOT NULL AND amount > 0"
    )
    op.execute(
        "INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost)"
        " SELECT wallet_id, id, 'taken_back', 'taken_back', 'grant', rolled_over, 0 FROM wallet_grants"
        " WHERE rolled_over > 0"
    )
    op.execute("DELETE FROM wallet_transfers WHERE kind IN ('rolled_out', 'rolled_back', 'rolled_in', 'rolled_off')")
    op.execute("ALTER TABLE wallet_transfers ENABLE TRIGGER wallet_transfers_are_append_only")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE wallet_transfers ADD CONSTRAINT ck_wallet_transfers_kind CHECK (kind IN ({_KINDS}))"
    )
    for name in (*_GRANTS, *_NEW):
        _drop("wallet_grants", name)
    for name in _SCHEDULES:
        _drop("wallet_schedules", name)
    op.execute("UPDATE wallet_grants SET taken_back = taken_back + rolled_over WHERE rolled_over > 0")
    op.execute("DELETE FROM wallet_grants WHERE rolls_from IS NOT NULL AND amount = 0")
    op.execute(
        "UPDATE wallet_grants SET category = 'promotional', key = 'rollover:' || id WHERE rolls_from IS NOT NULL"
    )
    for column in ("rolls_from", "rollover_max", "rollover_percent", "rolled_over"):
        op.execute(f"ALTER TABLE wallet_grants DROP COLUMN {column}")
    for column in ("rollover_periods", "rollover_max", "rollover_percent"):
        op.execute(f"ALTER TABLE wallet_schedules DROP COLUMN {column}")
    for name, rule in _GRANTS_BEFORE.items():
        op.execute(
            "-- squawk-ignore constraint-missing-not-valid\n"
            f"ALTER TABLE wallet_grants ADD CONSTRAINT ck_wallet_grants_{name} CHECK ({rule})"
        )
