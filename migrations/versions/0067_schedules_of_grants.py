"""Grants that recur: schedules, and the grants that they make, one for each occurrence; grants that a reset ends.

What is there already keeps the new rules: it is looked at by the next migration.
"""

from alembic import op

revision = "0067"
down_revision = "0066"

_TABLE = """
    CREATE TABLE wallet_schedules (
        id UUID NOT NULL,
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        key VARCHAR(128) COLLATE "C" NOT NULL,
        category VARCHAR(16) NOT NULL,
        priority INTEGER NOT NULL,
        usage_types VARCHAR(128)[] COLLATE "C",
        subscription_ids VARCHAR(128)[] COLLATE "C",
        amount NUMERIC(28, 12) NOT NULL,
        interval VARCHAR(16) NOT NULL,
        interval_count INTEGER NOT NULL,
        anchor TIMESTAMP WITH TIME ZONE,
        timezone VARCHAR(64) NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ends_at TIMESTAMP WITH TIME ZONE,
        until_next BOOLEAN NOT NULL,
        validity_interval VARCHAR(16),
        validity_count INTEGER,
        grace_seconds INTEGER NOT NULL,
        next_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_wallet_schedules PRIMARY KEY (id),
        CONSTRAINT uq_wallet_schedules_wallet_id_key UNIQUE (wallet_id, key),
        CONSTRAINT ck_wallet_schedules_category CHECK (category IN ('promotional', 'adjustment')),
        CONSTRAINT ck_wallet_schedules_priority CHECK (priority BETWEEN 0 AND 100),
        CONSTRAINT ck_wallet_schedules_amount CHECK (amount > 0 AND amount <= 1e15),
        CONSTRAINT ck_wallet_schedules_interval CHECK (interval IN ('day', 'week', 'month', 'quarter', 'year')
            AND interval_count BETWEEN 1 AND 366),
        CONSTRAINT ck_wallet_schedules_validity CHECK (num_nulls(validity_interval, validity_count) IN (0, 2)
            AND validity_interval IN ('day', 'week', 'month', 'quarter', 'year')
            AND validity_count BETWEEN 1 AND 366),
        CONSTRAINT ck_wallet_schedules_until_next CHECK (NOT until_next OR validity_interval IS NULL),
        CONSTRAINT ck_wallet_schedules_next_at CHECK (next_at >= starts_at AND (ends_at IS NULL OR next_at < ends_at)),
        CONSTRAINT ck_wallet_schedules_grace_seconds CHECK (grace_seconds >= 0),
        CONSTRAINT fk_wallet_schedules_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id)
    )
"""

_END = "least(expires_at, reset_at)"
_CLOSES = f"({_END} IS NULL) = (closes_at IS NULL) AND closes_at >= {_END}"
_RESET = "reset_at > effective_at AND (expires_at IS NULL OR reset_at < expires_at)"
_CLOSES_BEFORE = "(expires_at IS NULL) = (closes_at IS NULL) AND closes_at >= expires_at"


def _drop(name: str) -> None:
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE wallet_grants DROP CONSTRAINT ck_wallet_grants_{name}")


def upgrade() -> None:
    op.execute(_TABLE)
    op.execute("CREATE INDEX ix_wallet_schedules_next ON wallet_schedules (next_at) WHERE next_at IS NOT NULL")
    op.execute("ALTER TABLE wallet_grants ADD COLUMN schedule_id uuid")
    op.execute("ALTER TABLE wallet_grants ADD COLUMN reset_at timestamptz")
    _drop("closes_at")
    for name, rule in (("closes_at", _CLOSES), ("reset_at", _RESET)):
        op.execute(f"ALTER TABLE wallet_grants ADD CONSTRAINT ck_wallet_grants_{name} CHECK ({rule}) NOT VALID")
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE wallet_grants ALTER COLUMN key DROP NOT NULL")
    op.execute(
        "ALTER TABLE wallet_grants ADD CONSTRAINT fk_wallet_grants_schedule_id"
        " FOREIGN KEY (schedule_id) REFERENCES wallet_schedules (id) NOT VALID"
    )
    op.execute(
        "ALTER TABLE wallet_grants ADD CONSTRAINT ck_wallet_grants_made_by"
        " CHECK ((key IS NULL) = (schedule_id IS NOT NULL)) NOT VALID"
    )


def downgrade() -> None:
    # A build before this one knows no schedules: their grants stay, under a key of their own.
    op.execute("ALTER TABLE wallet_grants DROP CONSTRAINT ck_wallet_grants_made_by")
    op.execute("UPDATE wallet_grants SET key = 'schedule:' || id WHERE key IS NULL")
    op.execute("ALTER TABLE wallet_grants DROP COLUMN schedule_id")
    # A reset is an expiry there, which comes first.
    _drop("reset_at")
    _drop("closes_at")
    op.execute(f"UPDATE wallet_grants SET expires_at = {_END} WHERE reset_at IS NOT NULL")
    op.execute("ALTER TABLE wallet_grants DROP COLUMN reset_at")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE wallet_grants ADD CONSTRAINT ck_wallet_grants_closes_at CHECK ({_CLOSES_BEFORE})"
    )
    op.execute("-- squawk-ignore adding-not-nullable-field\nALTER TABLE wallet_grants ALTER COLUMN key SET NOT NULL")
    op.drop_table("wallet_schedules")
