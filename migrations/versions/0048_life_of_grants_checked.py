"""The rules of 0047 look at the rows that are there, and a key of a refund is there once for a grant."""

from alembic import op

revision = "0048"
down_revision = "0047"

_OUT = "posted + expired + taken_back + refunded"
_RULES = {
    ("wallet_grants", "status"): "status IN ('pending', 'active', 'closed', 'void')",
    ("wallet_grants", "out"): f"least(posted, expired, taken_back, refunded) >= 0 AND {_OUT} <= amount",
    ("wallet_grants", "nothing_left"): f"status IN ('pending', 'active') OR {_OUT} = amount",
    ("wallet_grants", "refunded"): "refunded = 0 OR cost > 0",
    ("wallet_grants", "activated_at"): "CASE WHEN activated_at IS NULL THEN status IN ('pending', 'void')"
    " AND posted + expired + refunded = 0 ELSE status <> 'pending' END",
    ("wallet_transfers", "kind"): "kind IN ('sold', 'given', 'used', 'returned', 'expired', 'taken_back', 'refunded')",
    ("wallet_transfers", "key"): "key IS NULL OR kind = 'refunded'",
}


def upgrade() -> None:
    for table, name in _RULES:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{name}")
    # No transfer has a key yet: that is over as soon as each was looked at once.
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE UNIQUE INDEX uq_wallet_transfers_key ON wallet_transfers (grant_id, key) WHERE key IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX uq_wallet_transfers_key")
    for (table, name), rule in _RULES.items():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")
