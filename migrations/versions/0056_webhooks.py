"""Endpoints that are told of events, their secrets, and what became of telling them. The tables are new and empty."""

from alembic import op

revision = "0056"
down_revision = "0055"

_TABLES = (
    """
    CREATE TABLE webhook_endpoints (
        id VARCHAR(128) COLLATE "C" NOT NULL,
        url VARCHAR(2048) NOT NULL,
        types VARCHAR(64)[],
        customer_id VARCHAR(128) COLLATE "C",
        version VARCHAR(16) NOT NULL,
        ordered BOOLEAN DEFAULT 'false' NOT NULL,
        rate_per_second INTEGER,
        description VARCHAR(256),
        status VARCHAR(16) DEFAULT 'active' NOT NULL,
        disabled_reason VARCHAR(16),
        disabled_at TIMESTAMP WITH TIME ZONE,
        failing_since TIMESTAMP WITH TIME ZONE,
        failed_tries BIGINT DEFAULT '0' NOT NULL,
        paused_until TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id),
        CONSTRAINT ck_webhook_endpoints_status CHECK (status IN ('active', 'disabled')),
        CONSTRAINT ck_webhook_endpoints_disabled CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
        CONSTRAINT ck_webhook_endpoints_disabled_reason CHECK (disabled_reason IN ('by_hand', 'failing', 'gone')),
        CONSTRAINT ck_webhook_endpoints_types CHECK (cardinality(types) > 0),
        CONSTRAINT ck_webhook_endpoints_rate CHECK (rate_per_second > 0)
    )
    """,
    """
    CREATE TABLE webhook_secrets (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        endpoint_id VARCHAR(128) COLLATE "C" NOT NULL,
        sealed BYTEA NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ends_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_webhook_secrets PRIMARY KEY (id),
        CONSTRAINT fk_webhook_secrets_endpoint_id FOREIGN KEY(endpoint_id)
            REFERENCES webhook_endpoints (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE webhook_deliveries (
        id UUID NOT NULL,
        event_id BIGINT NOT NULL,
        endpoint_id VARCHAR(128) COLLATE "C" NOT NULL,
        customer_id VARCHAR(128) COLLATE "C",
        position BIGINT NOT NULL,
        state VARCHAR(16) NOT NULL,
        tries INTEGER DEFAULT '0' NOT NULL,
        next_at TIMESTAMP WITH TIME ZONE NOT NULL,
        leased_until TIMESTAMP WITH TIME ZONE,
        replay_id UUID,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id),
        CONSTRAINT uq_webhook_deliveries_event UNIQUE (event_id, endpoint_id),
        CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('waiting', 'sent', 'failed', 'held', 'dropped')),
        CONSTRAINT fk_webhook_deliveries_event_id FOREIGN KEY(event_id) REFERENCES outbox_messages (id),
        CONSTRAINT fk_webhook_deliveries_endpoint_id FOREIGN KEY(endpoint_id)
            REFERENCES webhook_endpoints (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE webhook_attempts (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        delivery_id UUID NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        status INTEGER,
        milliseconds BIGINT NOT NULL,
        error VARCHAR(256),
        answer TEXT,
        CONSTRAINT pk_webhook_attempts PRIMARY KEY (id),
        CONSTRAINT fk_webhook_attempts_delivery_id FOREIGN KEY(delivery_id)
            REFERENCES webhook_deliveries (id) ON DELETE CASCADE
    )
    """,
)
_INDEXES = (
    "CREATE INDEX ix_webhook_secrets_endpoint ON webhook_secrets (endpoint_id, id)",
    "CREATE INDEX ix_webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, position)",
    "CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_at, position)"
    " WHERE state = 'waiting' AND replay_id IS NULL",
    "CREATE INDEX ix_webhook_deliveries_replayed ON webhook_deliveries (endpoint_id, next_at, position)"
    " WHERE state = 'waiting' AND replay_id IS NOT NULL",
    "CREATE INDEX ix_webhook_deliveries_order ON webhook_deliveries (endpoint_id, customer_id, position)"
    " WHERE state IN ('waiting', 'held')",
    "CREATE INDEX ix_webhook_deliveries_created_at ON webhook_deliveries (created_at)",
    "CREATE INDEX ix_webhook_attempts_delivery ON webhook_attempts (delivery_id, id)",
    "CREATE INDEX ix_webhook_attempts_at ON webhook_attempts (at)",
)
_NAMES = ("webhook_attempts", "webhook_deliveries", "webhook_secrets", "webhook_endpoints")


def upgrade() -> None:
    for statement in (*_TABLES, *_INDEXES):
        op.execute(statement)


def downgrade() -> None:
    for name in _NAMES:
        op.drop_table(name)
