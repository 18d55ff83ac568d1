"""Grants that wait to be paid, refunds, and the scope of keys that write wallets.

Rows that are there obey the new rules as they are. The rules are looked at in 0048, so that this step holds its locks
for a moment.
"""

from alembic import op

revision = "0047"
down_revision = "0046"

_SCOPES = "'usage:write', 'usage:read', 'billing:run', 'admin', 'portal:open'"
_KINDS = "'sold', 'given', 'used', 'returned', 'expired', 'taken_back'"
_OUT = "posted + expired + taken_back + refunded"
_GRANTS = {
    "status": "status IN ('pending', 'active', 'closed', 'void')",
    "out": f"least(posted, expired, taken_back, refunded) >= 0 AND {_OUT} <= amount",
    "nothing_left": f"status IN ('pending', 'active') OR {_OUT} = amount",
    "refunded": "refunded = 0 OR cost > 0",
    "activated_at": "CASE WHEN activated_at IS NULL THEN status IN ('pending', 'void')"
    " AND posted + expired + refunded = 0 ELSE status <> 'pending' END",
}
_TRANSFERS = {"kind": f"kind IN ({_KINDS}, 'refunded')", "key": "key IS NULL OR kind = 'refunded'"}
_BEFORE = {
    "status": "status IN ('active', 'closed', 'void')",
    "out": "posted >= 0 AND expired >= 0 AND taken_back >= 0 AND posted + expired + taken_back <= amount",
    "nothing_left": "status = 'active' OR posted + expired + taken_back = amount",
}


def _drop(table: str, name: str) -> None:
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")


def _scopes(words: str) -> None:
    # Keys are few, and the check is over before a request notices.
    _drop("api_keys", "scopes")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_scopes CHECK (scopes <@ ARRAY[{words}]::varchar[])"
    )


def upgrade() -> None:
    _scopes(f"{_SCOPES}, 'wallets:write'")
    op.execute("ALTER TABLE wallet_grants ADD COLUMN refunded numeric(40, 12) NOT NULL DEFAULT '0'")
    op.execute("ALTER TABLE wallet_grants ADD COLUMN activated_at timestamptz DEFAULT now()")
    op.execute("ALTER TABLE wallet_grants ADD COLUMN pending_until_paid boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE wallet_grants ADD COLUMN starts_when_paid boolean NOT NULL DEFAULT false")
    op.execute('ALTER TABLE wallet_transfers ADD COLUMN key varchar(128) COLLATE "C"')
    for name in _BEFORE:
        _drop("wallet_grants", name)
    _drop("wallet_transfers", "kind")
    for table, rules in (("wallet_grants", _GRANTS), ("wallet_transfers", _TRANSFERS)):
        for name, rule in rules.items():
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")


def downgrade() -> None:
    # A build before this one knows neither pending grants nor refunds: what was refunded counts as taken back there.
    op.execute("DELETE FROM wallet_grants WHERE activated_at IS NULL")
    op.execute("ALTER TABLE wallet_transfers DISABLE TRIGGER wallet_transfers_are_append_only")
    for name in _TRANSFERS:
        op.execute(f"ALTER TABLE wallet_transfers DROP CONSTRAINT ck_wallet_transfers_{name}")
    op.execute(
        "UPDATE wallet_transfers SET kind = 'taken_back', debit = 'taken_back', credit = 'grant' WHERE kind = 'refunded'"
    )
    op.execute("ALTER TABLE wallet_transfers ENABLE TRIGGER wallet_transfers_are_append_only")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE wallet_transfers ADD CONSTRAINT ck_wallet_transfers_kind CHECK (kind IN ({_KINDS}))"
    )
    op.execute("ALTER TABLE wallet_transfers DROP COLUMN key")
    for name in _GRANTS:
        op.execute(f"ALTER TABLE wallet_grants DROP CONSTRAINT ck_wallet_grants_{name}")
    op.execute("UPDATE wallet_grants SET taken_back = taken_back + refunded WHERE refunded > 0")
    for name in ("refunded", "activated_at", "pending_until_paid", "starts_when_paid"):
        op.execute(f"ALTER TABLE wallet_grants DROP COLUMN {name}")
    for name, rule in _BEFORE.items():
        op.execute(
            "-- squawk-ignore constraint-missing-not-valid\n"
            f"ALTER TABLE wallet_grants ADD CONSTRAINT ck_wallet_grants_{name} CHECK ({rule})"
        )
    op.execute("DELETE FROM api_keys WHERE scopes = ARRAY['wallets:write']::varchar[]")
    op.execute("UPDATE api_keys SET scopes = array_remove(scopes, 'wallets:write') WHERE 'wallets:write' = ANY (scopes)")
    _scopes(_SCOPES)
