"""A run says what grants in money paid of the invoices that it made final, and a dry run what they would."""

from alembic import op

revision = "0083"
down_revision = "0082"


def upgrade() -> None:
    op.execute("ALTER TABLE billing_runs ADD COLUMN prepaid_applied jsonb NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE billing_runs DROP COLUMN prepaid_applied")
