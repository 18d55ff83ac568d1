"""The rule of 0039 for credit looks at the invoices that are there."""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT ck_invoices_credit_applied")


def downgrade() -> None:
    op.execute("ALTER TABLE invoices DROP CONSTRAINT ck_invoices_credit_applied")
    op.execute(
        "ALTER TABLE invoices ADD CONSTRAINT ck_invoices_credit_applied"
        " CHECK (credit_applied >= 0 AND credit_applied <= greatest(total + tax, 0)) NOT VALID"
    )
