"""Who bills and who is billed as an invoice names them, and the copy of both that a final invoice keeps.

The guard of final invoices compares whole rows, so it keeps the copies as they are.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"

_OF_CUSTOMERS = {
    "legal_name": sa.String(length=500),
    "address": postgresql.JSONB(),
    "tax_id": sa.String(length=64),
    "language": sa.String(length=16),
    "buyer_reference": sa.String(length=128),
}


def upgrade() -> None:
    for name, kind in _OF_CUSTOMERS.items():
        op.add_column("customers", sa.Column(name, kind, nullable=True))
    op.create_table(
        "sellers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("said", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sellers")),
    )
    for name in ("seller", "buyer"):
        op.add_column("invoices", sa.Column(name, postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    for name in ("seller", "buyer"):
        op.drop_column("invoices", name)
    op.drop_table("sellers")
    for name in _OF_CUSTOMERS:
        op.drop_column("customers", name)
