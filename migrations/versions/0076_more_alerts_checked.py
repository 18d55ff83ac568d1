"""Alerts watch more than usage; the rules on that hold for what is there."""

from alembic import op

revision = "0076"
down_revision = "0075"

_WATCHES = "watches IN ('percent', 'units', 'amount'{})"
_RULES = {
    "scope": "num_nonnulls(subscription_id, plan_id, customer_id, wallet_id) <= 1",
    "watches": _WATCHES.format(", 'balance', 'projected', 'anomaly'"),
    "basis": "(CASE watches WHEN 'percent' THEN basis IN ('allowance', 'allowance+prepaid', 'spend')"
    " WHEN 'balance' THEN basis IS NULL OR basis = 'granted' ELSE basis IS NULL END) IS TRUE",
    "currency": "watches = 'balance' OR"
    " (currency IS NOT NULL) = (watches IN ('amount', 'projected') OR amount IS NOT NULL)",
}
_NEW = {
    "balance": "CASE WHEN watches = 'balance' THEN num_nonnulls(subscription_id, plan_id, every) = 0"
    " ELSE num_nonnulls(wallet_id, rearm_above) = 0 END",
    "rearm_above": "rearm_above > 0 AND rearm_above < 'NaN'::numeric",
    "hourly": "watches NOT IN ('projected', 'anomaly') OR every IS NULL",
    "made_by_customer": "NOT made_by_customer OR num_nonnulls(subscription_id, told_to) = 2",
}
_CHECKED = {
    "alert_rules": {
        "fk_alert_rules_wallet_id": "FOREIGN KEY(wallet_id) REFERENCES wallets (id)",
        **{f"ck_alert_rules_{name}": f"CHECK ({rule})" for name, rule in (_RULES | _NEW).items()},
    },
    "alert_firings": {"ck_alert_firings_wallet": "CHECK ((wallet_id IS NULL) = (period_end IS NOT NULL))"},
    "alert_looks": {"ck_alert_looks_one": "CHECK (num_nonnulls(subscription_id, customer_id) = 1)"},
}


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    for table, rules in _CHECKED.items():
        for name in rules:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    for table, rules in _CHECKED.items():
        for name, rule in rules.items():
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule} NOT VALID")
