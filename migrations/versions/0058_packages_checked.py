"""Items that charge for purchases name one that there is: what is there is looked at, once, beside the service."""

from alembic import op

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("ALTER TABLE usage_invoice_items VALIDATE CONSTRAINT fk_usage_invoice_items_purchase_id")


def downgrade() -> None:
    op.execute("ALTER TABLE usage_invoice_items DROP CONSTRAINT fk_usage_invoice_items_purchase_id")
    op.execute(
        "ALTER TABLE usage_invoice_items ADD CONSTRAINT fk_usage_invoice_items_purchase_id"
        " FOREIGN KEY (purchase_id) REFERENCES purchase_charges (id) NOT VALID"
    )
