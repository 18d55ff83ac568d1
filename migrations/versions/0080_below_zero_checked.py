"""A wallet has one overdraft, and the rules on it hold for what is there. The index is made beside the service."""

from alembic import op

revision = "0080"
down_revision = "0079"

_NAME = "uq_wallet_grants_overdraft"
_OUT = "posted + expired + taken_back + refunded + rolled_over"
_RULES = {
    "wallet_grants": {
        "made_by": "num_nonnulls(key, schedule_id, rolls_from, unused_of) = CASE category WHEN 'overdraft' THEN 0 ELSE 1 END",
        "category": "category IN ('purchased', 'promotional', 'adjustment', 'rollover', 'overdraft')",
        "status": "status IN ('pending', 'active', 'closed', 'void', 'overdraft')",
        "nothing_left": f"status IN ('pending', 'active', 'overdraft') OR {_OUT} = amount",
        "activated_at": "CASE WHEN activated_at IS NULL THEN status = 'overdraft'"
        " OR status IN ('pending', 'void') AND posted + expired + refunded = 0"
        " ELSE status NOT IN ('pending', 'overdraft') END",
        "overdraft": "(category = 'overdraft') = (status = 'overdraft')"
        f" AND (category <> 'overdraft' OR (expires_at IS NULL AND cost = 0 AND posted = {_OUT}))",
    },
    "wallets": {
        "uncovered": "uncovered IN ('charge', 'owe') AND (uncovered = 'owe') = (overdraft IS NOT NULL)",
        "overdraft": "overdraft > 0 AND overdraft <= 1e15",
    },
    "wallet_transfers": {
        "accounts": "debit <> credit AND ('grant' IN (debit, credit) OR 'owed' IN (debit, credit))",
    },
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("SET lock_timeout = 0")
        # Half made by a start that was interrupted.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}")
        op.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {_NAME} ON wallet_grants (wallet_id)"
            " WHERE category = 'overdraft'"
        )
        op.execute("SET statement_timeout = '10min'")
        op.execute("SET lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = 0")
    for table, rules in _RULES.items():
        for name in rules:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{name}")


def downgrade() -> None:
    op.execute(f"DROP INDEX {_NAME}")
    for table, rules in _RULES.items():
        for name, rule in rules.items():
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")
