"""One grant has what is left of an allowance of a period; the rules on grants and quotas hold for those that are there.

The indexes are made beside the service.
"""

from alembic import op

revision = "0078"
down_revision = "0077"

_NAME = "uq_wallet_grants_unused_of"
_QUOTAS_INDEX = "ix_usage_quotas_rollover"
_RULES = {
    "wallet_grants": {
        "fk_wallet_grants_unused_of": "FOREIGN KEY (unused_of) REFERENCES subscriptions (id)",
        "ck_wallet_grants_made_by": "CHECK (num_nonnulls(key, schedule_id, rolls_from, unused_of) = 1)",
        "ck_wallet_grants_rollover": "CHECK ((category = 'rollover') = (num_nonnulls(rolls_from, unused_of) = 1)"
        " AND (rolls_from IS NOT NULL OR num_nonnulls(rollover_max, rollover_percent) = 0))",
        "ck_wallet_grants_amount": "CHECK (amount >= 0 AND (amount > 0 OR num_nonnulls(rolls_from, unused_of) = 1)"
        " AND amount <= 1e15)",
    },
    "usage_quotas": {
        "ck_usage_quotas_rollover": "CHECK (CASE WHEN rollover_periods IS NULL"
        " THEN num_nonnulls(rollover_max, rollover_percent, rollover_grace_seconds) = 0"
        " ELSE monthly_limit IS NOT NULL AND rollover_grace_seconds IS NOT NULL AND rollover_grace_seconds >= 0"
        " AND rollover_periods BETWEEN 1 AND 366 END)",
        "ck_usage_quotas_rollover_max": "CHECK (rollover_max > 0 AND rollover_max <= 1e15)",
        "ck_usage_quotas_rollover_percent": "CHECK (rollover_percent BETWEEN 1 AND 100)",
    },
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        for name in (_NAME, _QUOTAS_INDEX):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {_NAME}"
            " ON wallet_grants (unused_of, usage_types, effective_at)"
        )
        op.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_QUOTAS_INDEX} ON usage_quotas (plan_id)"
            " WHERE rollover_periods IS NOT NULL"
        )
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")
    op.execute(f"ALTER TABLE wallet_grants ADD CONSTRAINT {_NAME} UNIQUE USING INDEX {_NAME}")
    op.execute("SET LOCAL statement_timeout = 0")
    for table, names in _RULES.items():
        for name in names:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    op.execute(f"ALTER TABLE wallet_grants DROP CONSTRAINT {_NAME}")
    op.execute(f"DROP INDEX {_QUOTAS_INDEX}")
    for table, rules in _RULES.items():
        for name, rule in rules.items():
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule} NOT VALID")
