"""Rules of what to watch, and that it happened. The tables are new and empty.

A summary that is there is under no rule. One that is made from here on is looked at with its first usage.
"""

from alembic import op

revision = "0060"
down_revision = "0059"

_TABLES = (
    """
    CREATE TABLE alert_rules (
        id VARCHAR(128) COLLATE "C" NOT NULL,
        subscription_id VARCHAR(128) COLLATE "C",
        plan_id VARCHAR(128) COLLATE "C",
        customer_id VARCHAR(128) COLLATE "C",
        watches VARCHAR(16) NOT NULL,
        usage_type_id VARCHAR(128) COLLATE "C",
        basis VARCHAR(24),
        amount NUMERIC(48, 4),
        currency VARCHAR(3),
        thresholds NUMERIC(40, 12)[],
        every NUMERIC(40, 12),
        resolve BOOLEAN DEFAULT 'false' NOT NULL,
        rearm VARCHAR(16) DEFAULT 'never' NOT NULL,
        late VARCHAR(16) DEFAULT 'tell' NOT NULL,
        told_to VARCHAR(128)[],
        holds_since TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_alert_rules PRIMARY KEY (id),
        CONSTRAINT fk_alert_rules_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
        CONSTRAINT fk_alert_rules_plan_id FOREIGN KEY(plan_id) REFERENCES plans (id),
        CONSTRAINT fk_alert_rules_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
        CONSTRAINT fk_alert_rules_usage_type_id FOREIGN KEY(usage_type_id) REFERENCES usage_types (id),
        CONSTRAINT ck_alert_rules_scope CHECK (num_nonnulls(subscription_id, plan_id, customer_id) <= 1),
        CONSTRAINT ck_alert_rules_watches CHECK (watches IN ('percent', 'units', 'amount')),
        CONSTRAINT ck_alert_rules_basis CHECK (
            (watches = 'percent') = (basis IS NOT NULL) AND basis IN ('allowance', 'allowance+prepaid', 'spend')
        ),
        CONSTRAINT ck_alert_rules_amount CHECK (
            (amount IS NOT NULL) = coalesce(basis = 'spend', false) AND amount > 0 AND amount < 1e44
        ),
        CONSTRAINT ck_alert_rules_currency CHECK ((currency IS NOT NULL) = (watches = 'amount' OR amount IS NOT NULL)),
        CONSTRAINT ck_alert_rules_lines CHECK (num_nonnulls(thresholds, every) = 1),
        CONSTRAINT ck_alert_rules_thresholds CHECK (
            cardinality(thresholds) BETWEEN 1 AND 20 AND array_position(thresholds, NULL) IS NULL
        ),
        CONSTRAINT ck_alert_rules_every CHECK (every > 0 AND every < 'NaN'::numeric),
        CONSTRAINT ck_alert_rules_rearm CHECK (rearm IN ('never', 'on_resolve')),
        CONSTRAINT ck_alert_rules_late CHECK (late IN ('tell', 'silent')),
        CONSTRAINT ck_alert_rules_told_to CHECK (cardinality(told_to) > 0)
    )
    """,
    "CREATE INDEX ix_alert_rules_subscription ON alert_rules (subscription_id) WHERE ended_at IS NULL",
    "CREATE INDEX ix_alert_rules_customer ON alert_rules (customer_id) WHERE ended_at IS NULL",
    """
    CREATE TABLE alert_firings (
        id UUID NOT NULL,
        rule_id VARCHAR(128) COLLATE "C" NOT NULL,
        subject VARCHAR(260) COLLATE "C" NOT NULL,
        period_start TIMESTAMP WITH TIME ZONE NOT NULL,
        round INTEGER NOT NULL,
        threshold NUMERIC(40, 12) NOT NULL,
        period_end TIMESTAMP WITH TIME ZONE NOT NULL,
        customer_id VARCHAR(128) COLLATE "C" NOT NULL,
        subscription_id VARCHAR(128) COLLATE "C",
        usage_type_id VARCHAR(128) COLLATE "C",
        begins NUMERIC(40, 12),
        value NUMERIC(52, 12) NOT NULL,
        base NUMERIC(52, 12),
        late BOOLEAN NOT NULL,
        state VARCHAR(16) NOT NULL,
        fired_at TIMESTAMP WITH TIME ZONE NOT NULL,
        resolved_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_alert_firings PRIMARY KEY (id),
        CONSTRAINT uq_alert_firings_once UNIQUE (rule_id, subject, period_start, round, threshold),
        CONSTRAINT fk_alert_firings_rule_id FOREIGN KEY(rule_id) REFERENCES alert_rules (id),
        CONSTRAINT ck_alert_firings_state CHECK (state IN ('told', 'open', 'back', 'over')),
        CONSTRAINT ck_alert_firings_resolved CHECK ((state IN ('back', 'over')) = (resolved_at IS NOT NULL)),
        CONSTRAINT ck_alert_firings_round CHECK (round >= 0)
    )
    """,
    "CREATE INDEX ix_alert_firings_open ON alert_firings (period_end) WHERE state = 'open'",
    "CREATE INDEX ix_alert_firings_rule ON alert_firings (rule_id, id)",
    "CREATE INDEX ix_alert_firings_subscription ON alert_firings (subscription_id, period_start)",
    """
    CREATE TABLE alert_looks (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        subscription_id VARCHAR(128) COLLATE "C" NOT NULL,
        asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_alert_looks PRIMARY KEY (id)
    )
    """,
)
# A firing is a fact: what it says stays. It may be resolved once, and is never taken out.
_KEEP = """
    CREATE FUNCTION refuse_change_of_alert_firing() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR OLD.state <> 'open' OR NEW.state NOT IN ('back', 'over')
            OR (to_jsonb(NEW) - 'state' - 'resolved_at') <> (to_jsonb(OLD) - 'state' - 'resolved_at') THEN
            RAISE EXCEPTION 'an alert that was told stays as it is' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
"""
_TRIGGER = """
    CREATE TRIGGER alert_firings_stay BEFORE UPDATE OR DELETE ON alert_firings
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_alert_firing()
"""


def upgrade() -> None:
    for statement in (*_TABLES, _KEEP, _TRIGGER):
        op.execute(statement)
    op.execute("ALTER TABLE usage_summaries ADD COLUMN next_alert NUMERIC")
    op.execute("ALTER TABLE usage_summaries ALTER COLUMN next_alert SET DEFAULT 0")


def downgrade() -> None:
    op.drop_column("usage_summaries", "next_alert")
    op.drop_table("alert_looks")
    op.drop_table("alert_firings")
    op.execute("DROP FUNCTION refuse_change_of_alert_firing()")
    op.drop_table("alert_rules")
