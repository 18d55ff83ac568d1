"""One grant carries over from another; the rules on both hold for those that are there.

The constraint's index is made beside the service.
"""

from alembic import op

revision = "0070"
down_revision = "0069"

_NAME = "uq_wallet_grants_rolls_from"
_OUT = "posted + expired + taken_back + refunded + rolled_over"
_GRANTS = {
    "fk_wallet_grants_rolls_from": "FOREIGN KEY (rolls_from) REFERENCES wallet_grants (id)",
    "ck_wallet_grants_made_by": "CHECK (num_nonnulls(key, schedule_id, rolls_from) = 1)",
    "ck_wallet_grants_category": "CHECK (category IN ('purchased', 'promotional', 'adjustment', 'rollover'))",
    "ck_wallet_grants_amount": "CHECK (amount >= 0 AND (amount > 0 OR rolls_from IS NOT NULL) AND amount <= 1e15)",
    "ck_wallet_grants_out": "CHECK (least(posted, expired, taken_back, refunded, rolled_over) >= 0"
    f" AND {_OUT} <= amount)",
    "ck_wallet_grants_nothing_left": f"CHECK (status IN ('pending', 'active') OR {_OUT} = amount)",
    "ck_wallet_grants_rollover": "CHECK ((category = 'rollover') = (rolls_from IS NOT NULL)"
    " AND (rolls_from IS NOT NULL OR num_nonnulls(rollover_max, rollover_percent) = 0))",
    "ck_wallet_grants_rolled_over": "CHECK (rolled_over = 0 OR cost = 0)",
}
_SCHEDULES = {
    "ck_wallet_schedules_rollover": "CHECK (CASE WHEN rollover_periods IS NULL"
    " THEN num_nonnulls(rollover_max, rollover_percent) = 0"
    " ELSE until_next AND rollover_periods BETWEEN 1 AND 366 END)",
    "ck_wallet_schedules_rollover_max": "CHECK (rollover_max > 0 AND rollover_max <= 1e15)",
    "ck_wallet_schedules_rollover_percent": "CHECK (rollover_percent BETWEEN 1 AND 100)",
}
_TRANSFERS = {
    "ck_wallet_transfers_kind": "CHECK (kind IN ('sold', 'given', 'used', 'returned', 'expired', 'taken_back',"
    " 'refunded', 'rolled_out', 'rolled_back', 'rolled_in', 'rolled_off'))"
}
_RULES = {"wallet_grants": _GRANTS, "wallet_schedules": _SCHEDULES, "wallet_transfers": _TRANSFERS}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}")
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {_NAME} ON wallet_grants (rolls_from)")
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")
    op.execute(f"ALTER TABLE wallet_grants ADD CONSTRAINT {_NAME} UNIQUE USING INDEX {_NAME}")
    op.execute("SET LOCAL statement_timeout = 0")
    for table, names in _RULES.items():
        for name in names:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    op.execute(f"ALTER TABLE wallet_grants DROP CONSTRAINT {_NAME}")
    for table, rules in _RULES.items():
        for name, rule in rules.items():
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule} NOT VALID")
