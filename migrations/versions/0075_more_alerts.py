"""Alerts watch balances of wallets, what periods will cost and days unlike others; customers set their own.

A firing of a wallet is in no billing period: it begins with the wallet and has no end. What an hour foresaw of a subject
is kept until the next, for a projection is told when two hours running agree. What is there already keeps the new rules:
it is looked at by the next migration.
"""

from alembic import op

revision = "0075"
down_revision = "0074"

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
_BEFORE = {
    "scope": "num_nonnulls(subscription_id, plan_id, customer_id) <= 1",
    "watches": _WATCHES.format(""),
    "basis": "(watches = 'percent') = (basis IS NOT NULL) AND basis IN ('allowance', 'allowance+prepaid', 'spend')",
    "currency": "(currency IS NOT NULL) = (watches = 'amount' OR amount IS NOT NULL)",
}
_COLUMNS = (
    'alert_rules ADD COLUMN wallet_id VARCHAR(128) COLLATE "C"',
    "alert_rules ADD COLUMN rearm_above NUMERIC(40, 12)",
    "alert_rules ADD COLUMN made_by_customer BOOLEAN DEFAULT 'false' NOT NULL",
    'alert_firings ADD COLUMN wallet_id VARCHAR(128) COLLATE "C"',
    'alert_looks ADD COLUMN customer_id VARCHAR(128) COLLATE "C"',
    "plans ADD COLUMN customer_alerts BOOLEAN DEFAULT 'false' NOT NULL",
)
_TABLES = (
    """
    CREATE TABLE alert_wallets (
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        customer_id VARCHAR(128) COLLATE "C" NOT NULL,
        look_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_alert_wallets PRIMARY KEY (wallet_id),
        CONSTRAINT fk_alert_wallets_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id)
    )
    """,
    "CREATE INDEX ix_alert_wallets_customer ON alert_wallets (customer_id)",
    "CREATE INDEX ix_alert_wallets_look_at ON alert_wallets (look_at)",
    """
    CREATE TABLE alert_projections (
        rule_id VARCHAR(128) COLLATE "C" NOT NULL,
        subject VARCHAR(260) COLLATE "C" NOT NULL,
        period_start TIMESTAMP WITH TIME ZONE NOT NULL,
        hour BIGINT NOT NULL,
        value NUMERIC(52, 12) NOT NULL,
        CONSTRAINT pk_alert_projections PRIMARY KEY (rule_id, subject),
        CONSTRAINT fk_alert_projections_rule_id FOREIGN KEY(rule_id) REFERENCES alert_rules (id)
    )
    """,
    """
    CREATE TABLE alert_hours (
        watches VARCHAR(16) NOT NULL,
        hour BIGINT NOT NULL,
        upto VARCHAR(128) COLLATE "C",
        CONSTRAINT pk_alert_hours PRIMARY KEY (watches),
        CONSTRAINT ck_alert_hours_watches CHECK (watches IN ('projected', 'anomaly'))
    )
    """,
)


def upgrade() -> None:
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE {column}")
    op.execute(
        "ALTER TABLE alert_rules ADD CONSTRAINT fk_alert_rules_wallet_id"
        " FOREIGN KEY(wallet_id) REFERENCES wallets (id) NOT VALID"
    )
    for name in _BEFORE:
        op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE alert_rules DROP CONSTRAINT ck_alert_rules_{name}")
    for name, rule in (_RULES | _NEW).items():
        op.execute(f"ALTER TABLE alert_rules ADD CONSTRAINT ck_alert_rules_{name} CHECK ({rule}) NOT VALID")
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE alert_firings ALTER COLUMN period_end DROP NOT NULL")
    op.execute(
        "ALTER TABLE alert_firings ADD CONSTRAINT ck_alert_firings_wallet"
        " CHECK ((wallet_id IS NULL) = (period_end IS NOT NULL)) NOT VALID"
    )
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE alert_looks ALTER COLUMN subscription_id DROP NOT NULL")
    op.execute(
        "ALTER TABLE alert_looks ADD CONSTRAINT ck_alert_looks_one"
        " CHECK (num_nonnulls(subscription_id, customer_id) = 1) NOT VALID"
    )
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("alert_hours", "alert_projections", "alert_wallets"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DELETE FROM alert_looks WHERE subscription_id IS NULL")
    op.execute("ALTER TABLE alert_looks DROP CONSTRAINT ck_alert_looks_one")
    op.execute("ALTER TABLE alert_looks ALTER COLUMN subscription_id SET NOT NULL")
    # What the older service does not know goes: it could show none of it.
    gone = "SELECT id FROM alert_rules WHERE watches IN ('balance', 'projected', 'anomaly')"
    op.execute("ALTER TABLE alert_firings DISABLE TRIGGER alert_firings_stay")
    op.execute(f"DELETE FROM alert_firings WHERE rule_id IN ({gone})")
    op.execute("ALTER TABLE alert_firings ENABLE TRIGGER alert_firings_stay")
    op.execute("ALTER TABLE alert_firings DROP CONSTRAINT ck_alert_firings_wallet")
    op.execute("ALTER TABLE alert_firings ALTER COLUMN period_end SET NOT NULL")
    op.execute(f"DELETE FROM alert_rules WHERE id IN ({gone})")
    for name in (*_RULES, *_NEW):
        op.execute(f"ALTER TABLE alert_rules DROP CONSTRAINT ck_alert_rules_{name}")
    for name, rule in _BEFORE.items():
        op.execute(f"ALTER TABLE alert_rules ADD CONSTRAINT ck_alert_rules_{name} CHECK ({rule})")
    for column in reversed(_COLUMNS):
        table, _, _, name, *_ = column.split()
        op.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
