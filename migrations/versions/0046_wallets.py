"""What customers paid for beforehand: wallets, their grants, what grants paid for, and the ledger of all of it.

The tables are new and empty, and nothing of what is there changes. The ledger is only ever added to.
"""

from alembic import op

revision = "0046"
down_revision = "0045"

_TABLES = (
    """
    CREATE TABLE wallets (
        id VARCHAR(128) COLLATE "C" NOT NULL,
        customer_id VARCHAR(128) COLLATE "C" NOT NULL,
        subscription_id VARCHAR(128) COLLATE "C",
        unit_name VARCHAR(64) NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_wallets PRIMARY KEY (id),
        CONSTRAINT fk_wallets_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
        CONSTRAINT fk_wallets_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id)
    )
    """,
    """
    CREATE TABLE wallet_scopes (
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        usage_type_id VARCHAR(128) COLLATE "C" NOT NULL,
        customer_id VARCHAR(128) COLLATE "C" NOT NULL,
        subscription_id VARCHAR(128) COLLATE "C" DEFAULT '' NOT NULL,
        CONSTRAINT pk_wallet_scopes PRIMARY KEY (wallet_id, usage_type_id),
        CONSTRAINT uq_wallet_scopes_overlap UNIQUE (customer_id, subscription_id, usage_type_id),
        CONSTRAINT fk_wallet_scopes_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id),
        CONSTRAINT fk_wallet_scopes_usage_type_id FOREIGN KEY(usage_type_id) REFERENCES usage_types (id)
    )
    """,
    """
    CREATE TABLE wallet_grants (
        id UUID NOT NULL,
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        key VARCHAR(128) COLLATE "C" NOT NULL,
        category VARCHAR(16) NOT NULL,
        status VARCHAR(16) DEFAULT 'active' NOT NULL,
        priority INTEGER NOT NULL,
        usage_types VARCHAR(128)[] COLLATE "C",
        subscription_ids VARCHAR(128)[] COLLATE "C",
        amount NUMERIC(28, 12) NOT NULL,
        effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        covers_since TIMESTAMP WITH TIME ZONE,
        closes_at TIMESTAMP WITH TIME ZONE,
        cost NUMERIC(48, 4) DEFAULT '0' NOT NULL,
        cost_currency VARCHAR(3),
        posted NUMERIC(40, 12) DEFAULT '0' NOT NULL,
        expired NUMERIC(40, 12) DEFAULT '0' NOT NULL,
        taken_back NUMERIC(40, 12) DEFAULT '0' NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_wallet_grants PRIMARY KEY (id),
        CONSTRAINT uq_wallet_grants_wallet_id_key UNIQUE (wallet_id, key),
        CONSTRAINT ck_wallet_grants_category CHECK (category IN ('purchased', 'promotional', 'adjustment')),
        CONSTRAINT ck_wallet_grants_status CHECK (status IN ('active', 'closed', 'void')),
        CONSTRAINT ck_wallet_grants_priority CHECK (priority BETWEEN 0 AND 100),
        CONSTRAINT ck_wallet_grants_amount CHECK (amount > 0 AND amount <= 1e15),
        CONSTRAINT ck_wallet_grants_expires_at CHECK (expires_at > effective_at),
        CONSTRAINT ck_wallet_grants_covers_since CHECK (covers_since <= effective_at),
        CONSTRAINT ck_wallet_grants_closes_at CHECK ((expires_at IS NULL) = (closes_at IS NULL) AND closes_at >= expires_at),
        CONSTRAINT ck_wallet_grants_cost CHECK ((cost > 0) = (cost_currency IS NOT NULL) AND cost >= 0 AND cost <= 1e15),
        CONSTRAINT ck_wallet_grants_cost_of_category CHECK ((category = 'purchased') = (cost > 0)),
        CONSTRAINT ck_wallet_grants_out CHECK (posted >= 0 AND expired >= 0 AND taken_back >= 0 AND posted + expired + taken_back <= amount),
        CONSTRAINT ck_wallet_grants_nothing_left CHECK (status = 'active' OR posted + expired + taken_back = amount),
        CONSTRAINT fk_wallet_grants_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id)
    )
    """,
    """
    CREATE TABLE wallet_draws (
        summary_id BIGINT NOT NULL,
        window_start TIMESTAMP WITH TIME ZONE NOT NULL,
        grant_id UUID NOT NULL,
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        posted NUMERIC(40, 12) NOT NULL,
        CONSTRAINT pk_wallet_draws PRIMARY KEY (summary_id, window_start, grant_id),
        CONSTRAINT ck_wallet_draws_posted CHECK (posted > 0 AND posted <= 1e27),
        CONSTRAINT fk_wallet_draws_summary_id FOREIGN KEY(summary_id) REFERENCES usage_summaries (id),
        CONSTRAINT fk_wallet_draws_grant_id FOREIGN KEY(grant_id) REFERENCES wallet_grants (id),
        CONSTRAINT fk_wallet_draws_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id)
    )
    """,
    """
    CREATE TABLE wallet_transfers (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        grant_id UUID NOT NULL,
        kind VARCHAR(16) NOT NULL,
        debit VARCHAR(16) NOT NULL,
        credit VARCHAR(16) NOT NULL,
        amount NUMERIC(40, 12) NOT NULL,
        cost NUMERIC(48, 4) NOT NULL,
        at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        invoice_id UUID,
        summary_id BIGINT,
        window_start TIMESTAMP WITH TIME ZONE,
        events BIGINT,
        voids BIGINT,
        CONSTRAINT pk_wallet_transfers PRIMARY KEY (id),
        CONSTRAINT ck_wallet_transfers_kind CHECK (kind IN ('sold', 'given', 'used', 'returned', 'expired', 'taken_back')),
        CONSTRAINT ck_wallet_transfers_accounts CHECK (debit <> credit AND 'grant' IN (debit, credit)),
        CONSTRAINT ck_wallet_transfers_amount CHECK (amount > 0 AND amount <= 1e27),
        CONSTRAINT ck_wallet_transfers_cost CHECK (cost >= 0 AND cost <= 1e27),
        CONSTRAINT ck_wallet_transfers_summary CHECK ((kind IN ('used', 'returned')) = (summary_id IS NOT NULL)),
        CONSTRAINT ck_wallet_transfers_known CHECK (num_nulls(summary_id, window_start, events, voids) IN (0, 4)),
        CONSTRAINT fk_wallet_transfers_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id),
        CONSTRAINT fk_wallet_transfers_grant_id FOREIGN KEY(grant_id) REFERENCES wallet_grants (id),
        CONSTRAINT fk_wallet_transfers_invoice_id FOREIGN KEY(invoice_id) REFERENCES invoices (id),
        CONSTRAINT fk_wallet_transfers_summary_id FOREIGN KEY(summary_id) REFERENCES usage_summaries (id)
    )
    """,
    """
    CREATE TABLE covered_summaries (
        summary_id BIGINT NOT NULL,
        covered NUMERIC(40, 12) NOT NULL,
        CONSTRAINT pk_covered_summaries PRIMARY KEY (summary_id),
        CONSTRAINT ck_covered_summaries_covered CHECK (covered > 0 AND covered <= 1e27),
        CONSTRAINT fk_covered_summaries_summary_id FOREIGN KEY(summary_id) REFERENCES usage_summaries (id)
    )
    """,
)
_INDEXES = (
    "CREATE INDEX ix_wallets_customer_id ON wallets (customer_id)",
    "CREATE INDEX ix_wallet_grants_closing ON wallet_grants (closes_at) WHERE status = 'active'",
    "CREATE INDEX ix_wallet_draws_grant ON wallet_draws (grant_id)",
    "CREATE INDEX ix_wallet_draws_wallet_id ON wallet_draws (wallet_id)",
    "CREATE INDEX ix_wallet_transfers_grant ON wallet_transfers (grant_id, id)",
    "CREATE INDEX ix_wallet_transfers_wallet ON wallet_transfers (wallet_id, id)",
)
_NAMES = ("wallets", "wallet_scopes", "wallet_grants", "wallet_draws", "wallet_transfers", "covered_summaries")


def upgrade() -> None:
    for statement in (*_TABLES, *_INDEXES):
        op.execute(statement)
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_wallet_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the ledger of wallets is only ever added to' USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER wallet_transfers_are_append_only BEFORE UPDATE OR DELETE ON wallet_transfers
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_wallet_transfers()
        """
    )


def downgrade() -> None:
    for name in reversed(_NAMES):
        op.drop_table(name)
    op.execute("DROP FUNCTION refuse_change_of_wallet_transfers()")
