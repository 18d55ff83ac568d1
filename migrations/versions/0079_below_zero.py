"""A wallet may owe what no grant pays for, up to its overdraft: a row beside its grants has what is owed.

What is there already keeps the new rules: it is looked at by the next migration.
"""

from alembic import op

revision = "0079"
down_revision = "0078"

_OUT = "posted + expired + taken_back + refunded + rolled_over"
_GRANTS = {
    "made_by": "num_nonnulls(key, schedule_id, rolls_from, unused_of) = CASE category WHEN 'overdraft' THEN 0 ELSE 1 END",
    "category": "category IN ('purchased', 'promotional', 'adjustment', 'rollover', 'overdraft')",
    "status": "status IN ('pending', 'active', 'closed', 'void', 'overdraft')",
    "nothing_left": f"status IN ('pending', 'active', 'overdraft') OR {_OUT} = amount",
    "activated_at": "CASE WHEN activated_at IS NULL THEN status = 'overdraft'"
    " OR status IN ('pending', 'void') AND posted + expired + refunded = 0"
    " ELSE status NOT IN ('pending', 'overdraft') END",
}
_NEW = {
    "overdraft": "(category = 'overdraft') = (status = 'overdraft')"
    f" AND (category <> 'overdraft' OR (expires_at IS NULL AND cost = 0 AND posted = {_OUT}))"
}
_WALLETS = {
    "uncovered": "uncovered IN ('charge', 'owe') AND (uncovered = 'owe') = (overdraft IS NOT NULL)",
    "overdraft": "overdraft > 0 AND overdraft <= 1e15",
}
_ACCOUNTS = "debit <> credit AND ('grant' IN (debit, credit) OR 'owed' IN (debit, credit))"
_BEFORE = {
    "made_by": "num_nonnulls(key, schedule_id, rolls_from, unused_of) = 1",
    "category": "category IN ('purchased', 'promotional', 'adjustment', 'rollover')",
    "status": "status IN ('pending', 'active', 'closed', 'void')",
    "nothing_left": f"status IN ('pending', 'active') OR {_OUT} = amount",
    "activated_at": "CASE WHEN activated_at IS NULL THEN status IN ('pending', 'void')"
    " AND posted + expired + refunded = 0 ELSE status <> 'pending' END",
}


def _drop(table: str, name: str) -> None:
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")


def _add(table: str, name: str, rule: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")


def upgrade() -> None:
    op.execute("ALTER TABLE wallets ADD COLUMN uncovered varchar(16) NOT NULL DEFAULT 'charge'")
    op.execute("ALTER TABLE wallets ADD COLUMN overdraft numeric(28, 12)")
    for name in _GRANTS:
        _drop("wallet_grants", name)
    for name, rule in (_GRANTS | _NEW).items():
        _add("wallet_grants", name, rule)
    for name, rule in _WALLETS.items():
        _add("wallets", name, rule)
    _drop("wallet_transfers", "accounts")
    _add("wallet_transfers", "accounts", _ACCOUNTS)


def downgrade() -> None:
    # A build before this one knows no overdraft: what is owed is void there, and charged by its next run.
    op.execute("ALTER TABLE wallet_transfers DISABLE TRIGGER wallet_transfers_are_append_only")
    op.execute("DELETE FROM wallet_draws WHERE grant_id IN (SELECT id FROM wallet_grants WHERE category = 'overdraft')")
    op.execute(
        "DELETE FROM wallet_transfers WHERE grant_id IN (SELECT id FROM wallet_grants WHERE category = 'overdraft')"
    )
    op.execute("ALTER TABLE wallet_transfers ENABLE TRIGGER wallet_transfers_are_append_only")
    op.execute("DELETE FROM wallet_grants WHERE category = 'overdraft'")
    _drop("wallet_transfers", "accounts")
    _add("wallet_transfers", "accounts", "debit <> credit AND 'grant' IN (debit, credit)")
    for name in _WALLETS:
        _drop("wallets", name)
    for name in (*_GRANTS, *_NEW):
        _drop("wallet_grants", name)
    for name, rule in _BEFORE.items():
        _add("wallet_grants", name, rule)
    op.execute("ALTER TABLE wallets DROP COLUMN uncovered")
    op.execute("ALTER TABLE wallets DROP COLUMN overdraft")
    op.execute("SET LOCAL statement_timeout = 0")
    for name in _BEFORE:
        op.execute(f"ALTER TABLE wallet_grants VALIDATE CONSTRAINT ck_wallet_grants_{name}")
    op.execute("ALTER TABLE wallet_transfers VALIDATE CONSTRAINT ck_wallet_transfers_accounts")
