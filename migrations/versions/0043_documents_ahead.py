"""Which documents are to be made, and which could not be: work that a worker finds as rows."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    op.create_table(
        "document_requests",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_document_requests_invoice_id")),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_document_requests")),
    )
    op.create_index("ix_document_requests_asked", "document_requests", ["asked_at", "invoice_id"])


def downgrade() -> None:
    op.drop_table("document_requests")
