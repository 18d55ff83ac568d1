"""Top-ups: what tells that a wallet is low, and each request for more.

The tables are new and empty.
"""

from alembic import op

revision = "0062"
down_revision = "0061"

_TABLES = (
    """
    CREATE TABLE top_up_rules (
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        customer_id VARCHAR(128) COLLATE "C" NOT NULL,
        below NUMERIC(28, 12) NOT NULL,
        amount NUMERIC(28, 12),
        up_to NUMERIC(28, 12),
        package_id VARCHAR(128) COLLATE "C",
        most_count INTEGER,
        most_per VARCHAR(16),
        cooldown_seconds INTEGER NOT NULL,
        cycle INTEGER DEFAULT 0 NOT NULL,
        failures INTEGER DEFAULT 0 NOT NULL,
        depletions INTEGER DEFAULT 0 NOT NULL,
        is_depleted BOOLEAN DEFAULT false NOT NULL,
        waits_until TIMESTAMP WITH TIME ZONE,
        look_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_top_up_rules PRIMARY KEY (wallet_id),
        CONSTRAINT ck_top_up_rules_below CHECK (below > 0 AND below <= 1e15),
        CONSTRAINT ck_top_up_rules_amount CHECK (amount > 0 AND amount <= 1e15),
        CONSTRAINT ck_top_up_rules_up_to CHECK (up_to > below AND up_to <= 1e15),
        CONSTRAINT ck_top_up_rules_one_of CHECK (num_nonnulls(amount, up_to, package_id) = 1),
        CONSTRAINT ck_top_up_rules_most CHECK (num_nonnulls(most_count, most_per) IN (0, 2) AND most_count > 0),
        CONSTRAINT ck_top_up_rules_most_per CHECK (most_per IN ('hour', 'day', 'week', 'month')),
        CONSTRAINT ck_top_up_rules_counts CHECK (least(cooldown_seconds, cycle, failures, depletions) >= 0),
        CONSTRAINT fk_top_up_rules_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id),
        CONSTRAINT fk_top_up_rules_package_id FOREIGN KEY(package_id) REFERENCES packages (id)
    )
    """,
    """
    CREATE TABLE wallet_top_ups (
        id UUID NOT NULL,
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        cycle INTEGER NOT NULL,
        state VARCHAR(16) NOT NULL,
        amount NUMERIC(28, 12) NOT NULL,
        package_id VARCHAR(128) COLLATE "C",
        available NUMERIC(40, 12) NOT NULL,
        asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        answered_at TIMESTAMP WITH TIME ZONE,
        grant_id UUID,
        reference VARCHAR(256),
        reason VARCHAR(256),
        CONSTRAINT pk_wallet_top_ups PRIMARY KEY (id),
        CONSTRAINT uq_wallet_top_ups_wallet_id_cycle UNIQUE (wallet_id, cycle),
        CONSTRAINT uq_wallet_top_ups_grant_id UNIQUE (grant_id),
        CONSTRAINT ck_wallet_top_ups_state CHECK (state IN ('asked', 'paid', 'failed', 'expired')),
        CONSTRAINT ck_wallet_top_ups_amount CHECK (amount > 0 AND amount <= 1e15),
        CONSTRAINT ck_wallet_top_ups_cycle CHECK (cycle > 0),
        CONSTRAINT ck_wallet_top_ups_expires_at CHECK (expires_at > asked_at),
        CONSTRAINT ck_wallet_top_ups_answered_at CHECK ((state = 'asked') = (answered_at IS NULL)),
        CONSTRAINT ck_wallet_top_ups_grant_id CHECK ((state = 'paid') = (grant_id IS NOT NULL)),
        CONSTRAINT fk_wallet_top_ups_wallet_id FOREIGN KEY(wallet_id) REFERENCES top_up_rules (wallet_id),
        CONSTRAINT fk_wallet_top_ups_grant_id FOREIGN KEY(grant_id) REFERENCES wallet_grants (id),
        CONSTRAINT fk_wallet_top_ups_package_id FOREIGN KEY(package_id) REFERENCES packages (id)
    )
    """,
)
_INDEXES = (
    "CREATE INDEX ix_top_up_rules_customer ON top_up_rules (customer_id) WHERE ended_at IS NULL",
    "CREATE INDEX ix_top_up_rules_look_at ON top_up_rules (look_at) WHERE ended_at IS NULL",
    "CREATE UNIQUE INDEX uq_wallet_top_ups_asked ON wallet_top_ups (wallet_id) WHERE state = 'asked'",
)


def upgrade() -> None:
    for statement in (*_TABLES, *_INDEXES):
        op.execute(statement)


def downgrade() -> None:
    for name in ("wallet_top_ups", "top_up_rules"):
        op.drop_table(name)
