"""Wallets in money: what they hold and pay for, what of an invoice they paid, and base fees beside usage.

The tables of wallets are as new as 0046. The rules that look at rows which are there come in 0055, so that this step
holds its locks for a moment.
"""

from alembic import op

revision = "0054"
down_revision = "0053"

# To the letter as 0039 leaves it, so that the way back leads there.
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
                    OR ((OLD.status, NEW.status) = ('paid', 'void') AND OLD.credit_applied = OLD.total + OLD.tax)
                    OR to_jsonb(NEW) = to_jsonb(OLD)) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'invoice % is %, it cannot change', OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
        END $$
"""
_DRAWN = (
    ("cause", "num_nonnulls(summary_id, fee_id) = 1"),
    (
        "cause",
        "(kind IN ('used', 'returned')) = (num_nonnulls(summary_id, fee_id) = 1)"
        " AND num_nonnulls(summary_id, fee_id) < 2",
    ),
    ("known", "num_nonnulls(window_start, events, voids) = 3 * num_nonnulls(summary_id, fee_id)"),
)


def _check(table: str, name: str, rule: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")


def _drop(table: str, name: str) -> None:
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT {name}")


def _check_credit(most: str) -> None:
    # The new rule holds of every row for which the old one did; 0055 looks at them.
    _drop("invoices", "ck_invoices_credit_applied")
    _check("invoices", "credit_applied", f"credit_applied >= 0 AND credit_applied <= greatest({most}, 0)")


def upgrade() -> None:
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE wallets ALTER COLUMN unit_name DROP NOT NULL")
    op.execute("ALTER TABLE wallets ADD COLUMN currency varchar(3)")
    op.execute("ALTER TABLE wallets ADD COLUMN fees boolean DEFAULT false NOT NULL")
    _check("wallets", "unit", "(unit_name IS NULL) <> (currency IS NULL)")
    _check("wallets", "fees", "currency IS NOT NULL OR NOT fees")
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE UNIQUE INDEX uq_wallets_currency ON wallets (customer_id, coalesce(subscription_id, ''), currency)"
        " WHERE currency IS NOT NULL"
    )
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE wallet_draws DROP CONSTRAINT pk_wallet_draws")
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE wallet_draws ALTER COLUMN summary_id DROP NOT NULL")
    op.execute(
        "-- squawk-ignore adding-field-with-default\n"
        "ALTER TABLE wallet_draws ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY"
    )
    op.execute("ALTER TABLE wallet_draws ADD COLUMN fee_id bigint")
    op.execute(
        "-- squawk-ignore adding-serial-primary-key-field,disallowed-unique-constraint,constraint-missing-not-valid\n"
        "ALTER TABLE wallet_draws ADD CONSTRAINT pk_wallet_draws PRIMARY KEY (id)"
    )
    op.execute(
        "-- squawk-ignore disallowed-unique-constraint,constraint-missing-not-valid\n"
        "ALTER TABLE wallet_draws ADD CONSTRAINT uq_wallet_draws_need"
        " UNIQUE NULLS NOT DISTINCT (summary_id, window_start, grant_id, fee_id)"
    )
    op.execute("ALTER TABLE wallet_transfers ADD COLUMN fee_id bigint")
    for table in ("wallet_draws", "wallet_transfers"):
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_fee_id"
            " FOREIGN KEY (fee_id) REFERENCES fee_charges (id) NOT VALID"
        )
    _drop("wallet_transfers", "ck_wallet_transfers_summary")
    _drop("wallet_transfers", "ck_wallet_transfers_known")
    for table, (name, rule) in zip(("wallet_draws", "wallet_transfers", "wallet_transfers"), _DRAWN, strict=True):
        _check(table, name, rule)
    op.execute(
        """
        CREATE TABLE invoice_prepaid (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            invoice_id UUID NOT NULL,
            wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
            grant_id UUID NOT NULL,
            summary_id BIGINT,
            fee_id BIGINT,
            amount NUMERIC(48, 4) NOT NULL,
            tax_category VARCHAR(2),
            tax_country VARCHAR(2),
            tax_rate NUMERIC(9, 6),
            CONSTRAINT pk_invoice_prepaid PRIMARY KEY (id),
            CONSTRAINT ck_invoice_prepaid_cause CHECK (num_nonnulls(summary_id, fee_id) = 1),
            CONSTRAINT ck_invoice_prepaid_amount CHECK (amount <> 0),
            CONSTRAINT uq_invoice_prepaid_cause UNIQUE NULLS NOT DISTINCT (invoice_id, grant_id, summary_id, fee_id),
            CONSTRAINT fk_invoice_prepaid_invoice_id FOREIGN KEY(invoice_id) REFERENCES invoices (id),
            CONSTRAINT fk_invoice_prepaid_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id),
            CONSTRAINT fk_invoice_prepaid_grant_id FOREIGN KEY(grant_id) REFERENCES wallet_grants (id),
            CONSTRAINT fk_invoice_prepaid_summary_id FOREIGN KEY(summary_id) REFERENCES usage_summaries (id),
            CONSTRAINT fk_invoice_prepaid_fee_id FOREIGN KEY(fee_id) REFERENCES fee_charges (id)
        )
        """
    )
    op.execute("CREATE INDEX ix_invoice_prepaid_summary ON invoice_prepaid (summary_id) WHERE summary_id IS NOT NULL")
    op.execute("CREATE INDEX ix_invoice_prepaid_fee ON invoice_prepaid (fee_id) WHERE fee_id IS NOT NULL")
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_invoice_prepaid() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'what grants paid of an invoice is only ever added to' USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER invoice_prepaid_is_append_only BEFORE UPDATE OR DELETE ON invoice_prepaid
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_invoice_prepaid()
        """
    )
    op.execute("ALTER TABLE invoices ADD COLUMN prepaid_applied numeric(48, 4) DEFAULT '0' NOT NULL")
    _check_credit("total + tax - prepaid_applied")
    op.execute(_BEFORE.replace("OLD.total + OLD.tax)", "OLD.total + OLD.tax - OLD.prepaid_applied)"))


def downgrade() -> None:
    # A build before this one knows no wallet in money, and would call an invoice that one paid underpaid: with such
    # wallets there is no way back.
    op.execute(_BEFORE)
    _check_credit("total + tax")
    op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT ck_invoices_credit_applied")
    op.drop_column("invoices", "prepaid_applied")
    op.drop_table("invoice_prepaid")
    op.execute("DROP FUNCTION refuse_change_of_invoice_prepaid()")
    for table, (name, _) in zip(("wallet_draws", "wallet_transfers", "wallet_transfers"), _DRAWN, strict=True):
        _drop(table, f"ck_{table}_{name}")
    op.drop_column("wallet_transfers", "fee_id")
    op.execute(
        "ALTER TABLE wallet_transfers ADD CONSTRAINT ck_wallet_transfers_summary"
        " CHECK ((kind IN ('used', 'returned')) = (summary_id IS NOT NULL))"
    )
    op.execute(
        "ALTER TABLE wallet_transfers ADD CONSTRAINT ck_wallet_transfers_known"
        " CHECK (num_nulls(summary_id, window_start, events, voids) IN (0, 4))"
    )
    op.execute("ALTER TABLE wallet_draws DROP CONSTRAINT uq_wallet_draws_need")
    op.drop_column("wallet_draws", "fee_id")
    op.drop_column("wallet_draws", "id")
    op.execute("ALTER TABLE wallet_draws ALTER COLUMN summary_id SET NOT NULL")
    op.execute(
        "ALTER TABLE wallet_draws ADD CONSTRAINT pk_wallet_draws PRIMARY KEY (summary_id, window_start, grant_id)"
    )
    op.drop_index("uq_wallets_currency", "wallets")
    for name in ("fees", "unit"):
        op.execute(f"ALTER TABLE wallets DROP CONSTRAINT ck_wallets_{name}")
    op.drop_column("wallets", "fees")
    op.drop_column("wallets", "currency")
    op.execute("ALTER TABLE wallets ALTER COLUMN unit_name SET NOT NULL")
