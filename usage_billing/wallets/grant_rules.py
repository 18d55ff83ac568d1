"""What holds for every row of ``wallets``, ``wallet_grants``, ``wallet_transfers``: by the name of each check."""

from sqlalchemy import Index, text

_OUT = "posted + expired + taken_back + refunded + rolled_over"
_END = "least(expires_at, reset_at)"

GRANT_RULES = {
    "made_by": "num_nonnulls(key, schedule_id, rolls_from, unused_of)"
    " = CASE category WHEN 'overdraft' THEN 0 ELSE 1 END",
    "category": "category IN ('purchased', 'promotional', 'adjustment', 'rollover', 'overdraft')",
    "rollover": "(category = 'rollover' OR num_nonnulls(rolls_from, unused_of, rollover_max) = 0)"
    " AND (rolls_from IS NOT NULL OR rollover_percent IS NULL)"
    " AND (key IS NOT NULL AND category = 'rollover') = (rollover_max IS NOT NULL AND rolls_from IS NULL)",
    "status": "status IN ('pending', 'active', 'closed', 'void', 'overdraft')",
    "priority": "priority BETWEEN 0 AND 100",
    "amount": "amount >= 0 AND (amount > 0 OR category = 'rollover') AND amount <= 1e15",
    "expires_at": "expires_at > effective_at",
    "covers_since": "covers_since <= effective_at",
    "closes_at": f"({_END} IS NULL) = (closes_at IS NULL) AND closes_at >= {_END}",
    "reset_at": "reset_at > effective_at AND (expires_at IS NULL OR reset_at < expires_at)",
    "cost": "(cost = 0 OR cost_currency IS NOT NULL) AND (cost > 0 OR cost_currency IS NULL OR category = 'rollover')"
    " AND cost >= 0 AND cost <= 1e15",
    "cost_of_category": "CASE category WHEN 'purchased' THEN cost > 0"
    " WHEN 'rollover' THEN key IS NOT NULL OR cost_currency IS NULL ELSE cost = 0 END",
    "out": f"least(posted, expired, taken_back, refunded, rolled_over) >= 0 AND {_OUT} <= amount",
    "nothing_left": f"status IN ('pending', 'active', 'overdraft') OR {_OUT} = amount",
    "refunded": "refunded = 0 OR cost > 0",
    "rolled_over": "rolled_over = 0 OR cost = 0 OR kept_in IS NOT NULL",
    "kept_in": "kept_in IS NULL OR (reset_at IS NOT NULL AND kept_in <> id)",
    "activated_at": "CASE WHEN activated_at IS NULL THEN status = 'overdraft'"
    " OR status IN ('pending', 'void') AND posted + expired + refunded = 0"
    " ELSE status NOT IN ('pending', 'overdraft') END",
    "overdraft": "(category = 'overdraft') = (status = 'overdraft')"
    f" AND (category <> 'overdraft' OR (expires_at IS NULL AND cost = 0 AND posted = {_OUT}))",
}

TRANSFER_RULES = {
    "kind": "kind IN ('sold', 'given', 'used', 'returned', 'expired', 'taken_back', 'refunded', 'rolled_out',"
    " 'rolled_back', 'rolled_in', 'rolled_off')",
    "accounts": "debit <> credit AND ('grant' IN (debit, credit) OR 'owed' IN (debit, credit))",
    "amount": "amount > 0 AND amount <= 1e27",
    "cost": "cost >= 0 AND cost <= 1e27",
    "cause": "(kind IN ('used', 'returned')) = (num_nonnulls(summary_id, fee_id) = 1)"
    " AND num_nonnulls(summary_id, fee_id) < 2",
    "known": "num_nonnulls(window_start, events, voids) = 3 * num_nonnulls(summary_id, fee_id)",
    "key": "key IS NULL OR kind = 'refunded'",
}

WALLET_RULES = {
    "unit": "(unit_name IS NULL) <> (currency IS NULL)",
    "fees": "currency IS NOT NULL OR NOT fees",
    "uncovered": "uncovered IN ('charge', 'owe') AND (uncovered = 'owe') = (overdraft IS NOT NULL)",
    "overdraft": "overdraft > 0 AND overdraft <= 1e15",
}

GRANT_INDEXES = (
    Index("ix_wallet_grants_closing", "closes_at", postgresql_where=text("status = 'active'")),
    Index("ix_wallet_grants_open", "wallet_id", postgresql_where=text("status IN ('pending', 'active')")),
    Index(
        "ix_wallet_grants_past",
        "wallet_id",
        text("coalesce(closes_at, 'infinity'::timestamptz)"),
        postgresql_where=text("status IN ('closed', 'void')"),
    ),
    Index("ix_wallet_grants_wallet", "wallet_id", "id"),
    Index("uq_wallet_grants_overdraft", "wallet_id", unique=True, postgresql_where=text("category = 'overdraft'")),
)
"""How grants are found, and that a wallet has one overdraft."""
