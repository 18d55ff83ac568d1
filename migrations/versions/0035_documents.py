"""The documents of final invoices, each made once and kept as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.create_table(
        "invoice_documents",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("template_version", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('pdf')", name=op.f("ck_invoice_documents_kind")),
        sa.CheckConstraint("sha256 = sha256(content)", name=op.f("ck_invoice_documents_sha256")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_documents_invoice_id")),
        sa.PrimaryKeyConstraint("invoice_id", "kind", name=op.f("pk_invoice_documents")),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_document() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the document of invoice % is kept as it is', OLD.invoice_id
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER documents_never_change BEFORE UPDATE OR DELETE ON invoice_documents"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change_of_document()"
    )


def downgrade() -> None:
    op.drop_table("invoice_documents")
    op.execute("DROP FUNCTION refuse_change_of_document()")
