"""A package sells units of usage types or money: what is there is looked at, once, beside the service."""

from alembic import op

revision = "0064"
down_revision = "0063"


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("ALTER TABLE packages VALIDATE CONSTRAINT ck_packages_unit")


def downgrade() -> None:
    op.execute("ALTER TABLE packages DROP CONSTRAINT ck_packages_unit")
    op.execute(
        "ALTER TABLE packages ADD CONSTRAINT ck_packages_unit CHECK (num_nulls(unit_name, usage_types) IN (0, 2)) NOT VALID"
    )
