"""Tax: its rates, what of the catalogue is taxed how, who is exempt, and what a final invoice has of it.

Invoices that are final stay as they are: without tax. Their guard compares whole rows, and so keeps the new columns.
The rule of credit is looked at in 0040, so that this step holds its locks for a moment.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0038"

_CATEGORIES = "('S', 'AA', 'Z', 'E', 'AE', 'G', 'O')"
# To the letter as 0027 leaves it, so that the way back leads there.
_BEFORE = """
        CREATE OR REPLACE FUNCTION refuse_change_of_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.status = 'draft' THEN
                RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
            END IF;
            IF TG_OP = 'UPDATE'
               AND (to_jsonb(NEW) - '{status,paid_at,voided_at,payment_reference,payment_method}'::text[])
                 = (to_jsonb(OLD) - '{status,paid_at,voided_at,payment_reference,payment_method}'::text[])
               AND (NEW.status = 'paid' OR (NEW.payment_reference, NEW.payment_method)
                    IS NOT DISTINCT FROM (OLD.payment_reference, OLD.payment_method))
               AND ((OLD.status, NEW.status) IN (('finalized', 'paid'), ('finalized', 'void'), ('finalized', 'uncollectible'),
                                                   ('uncollectible', 'paid'), ('uncollectible', 'void'))
                    OR ((OLD.status, NEW.status) = ('paid', 'void') AND OLD.credit_applied = OLD.total)
                    OR to_jsonb(NEW) = to_jsonb(OLD)) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'invoice % is %, it cannot change', OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
        END $$
"""


def _check_credit(most: str) -> None:
    # The new rule holds of every row for which the old one did; 0040 looks at them.
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE invoices DROP CONSTRAINT ck_invoices_credit_applied"
    )
    op.execute(
        "ALTER TABLE invoices ADD CONSTRAINT ck_invoices_credit_applied"
        f" CHECK (credit_applied >= 0 AND credit_applied <= greatest({most}, 0)) NOT VALID"
    )


def upgrade() -> None:
    op.create_table(
        "tax_rates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("category", sa.String(length=2), nullable=False),
        sa.Column("rate", sa.Numeric(9, 6), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_tax_rates_country")),
        sa.CheckConstraint("category IN ('S', 'AA')", name=op.f("ck_tax_rates_category")),
        sa.CheckConstraint("rate >= 0 AND rate <= 100", name=op.f("ck_tax_rates_rate")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rates")),
    )
    op.create_index("ix_tax_rates_day", "tax_rates", ["country", "category", "effective_from", "id"])
    for table in ("plans", "usage_types"):
        op.execute(
            f"-- squawk-ignore constraint-missing-not-valid\n"
            f"ALTER TABLE {table} ADD COLUMN tax_category varchar(2) DEFAULT 'S' NOT NULL"
            f" CONSTRAINT ck_{table}_tax_category CHECK (tax_category IN {_CATEGORIES})"
        )
    op.execute("ALTER TABLE customers ADD COLUMN tax_exempt boolean DEFAULT false NOT NULL")
    op.add_column("invoices", sa.Column("tax", sa.Numeric(48, 4), server_default="0", nullable=False))
    op.add_column("invoices", sa.Column("taxes", postgresql.JSONB(), nullable=True))
    for name, kind in {"tax_category": sa.String(2), "tax_country": sa.String(2), "tax_rate": sa.Numeric(9, 6)}.items():
        op.add_column("usage_invoice_items", sa.Column(name, kind, nullable=True))
    _check_credit("total + tax")
    op.execute(_BEFORE.replace("OLD.credit_applied = OLD.total", "OLD.credit_applied = OLD.total + OLD.tax"))


def downgrade() -> None:
    # A build before this one would call an invoice with tax underpaid: with such invoices there is no way back.
    op.execute(_BEFORE)
    _check_credit("total")
    op.execute("-- squawk-ignore constraint-missing-not-valid\nALTER TABLE invoices VALIDATE CONSTRAINT ck_invoices_credit_applied")
    for name in ("tax_rate", "tax_country", "tax_category"):
        op.drop_column("usage_invoice_items", name)
    for name in ("taxes", "tax"):
        op.drop_column("invoices", name)
    op.drop_column("customers", "tax_exempt")
    for table in ("usage_types", "plans"):
        op.drop_column(table, "tax_category")
    op.drop_table("tax_rates")
