"""Packages of money: one without units sells money in the currency of its price. What is there is looked at in 0064."""

from alembic import op

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE packages ALTER COLUMN unit_name DROP NOT NULL")
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE packages ALTER COLUMN usage_types DROP NOT NULL")
    op.execute(
        "ALTER TABLE packages ADD CONSTRAINT ck_packages_unit CHECK (num_nulls(unit_name, usage_types) IN (0, 2)) NOT VALID"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE packages DROP CONSTRAINT ck_packages_unit")
    op.execute("ALTER TABLE packages ALTER COLUMN usage_types SET NOT NULL")
    op.execute("ALTER TABLE packages ALTER COLUMN unit_name SET NOT NULL")
