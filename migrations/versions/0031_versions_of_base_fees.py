"""Versions of the base fees of plans, and base fees that are a subscription's own."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE plan_versions (
            id bigint GENERATED ALWAYS AS IDENTITY,
            plan_id varchar(128) COLLATE "C" NOT NULL,
            subscription_id varchar(128) COLLATE "C",
            version integer NOT NULL,
            base_fee numeric(25, 12) NOT NULL,
            base_fee_timing varchar(16) NOT NULL,
            effective varchar(16) NOT NULL,
            immediate boolean DEFAULT false NOT NULL,
            asked_at timestamptz NOT NULL,
            effective_from timestamptz NOT NULL,
            effective_until timestamptz,
            ended_at timestamptz,
            ended_by bigint,
            created_at timestamptz DEFAULT now() NOT NULL,
            CONSTRAINT pk_plan_versions PRIMARY KEY (id),
            CONSTRAINT fk_plan_versions_plan_id FOREIGN KEY (plan_id) REFERENCES plans (id),
            CONSTRAINT ck_plan_versions_base_fee CHECK (base_fee >= 0 AND base_fee <= 1e12),
            CONSTRAINT ck_plan_versions_base_fee_timing CHECK (base_fee_timing IN ('advance', 'arrears')),
            CONSTRAINT ck_plan_versions_effective
                CHECK (effective IN ('next_period', 'period', 'now', 'start', 'instant'))
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_plan_versions_version ON plan_versions"
        " (plan_id, coalesce(subscription_id, ''), version)"
    )
    op.execute(
        "CREATE INDEX ix_plan_versions_subscription ON plan_versions (subscription_id)"
        " WHERE subscription_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP TABLE plan_versions")
