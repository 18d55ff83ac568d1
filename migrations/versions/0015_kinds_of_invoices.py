"""Invoices of several kinds, and when each is due to be final apart from the period that it shows.

What is final stays as it is: new columns have constant defaults or none, which rewrites no row. A version of the
service that does not know ``closes_at`` may go on making drafts: a trigger gives them the end of their period. This
step holds its locks for a moment; 0016 fills in and makes the indexes, 0017 drops what they replace.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

# To the letter as 0003 has it, so that the way back leads there.
_GUARD = """
        CREATE OR REPLACE FUNCTION refuse_change_of_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.status = 'draft' THEN
                RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
            END IF;
            IF TG_OP = 'UPDATE'
               AND (to_jsonb(NEW) - '{status,paid_at,voided_at}'::text[])
                 = (to_jsonb(OLD) - '{status,paid_at,voided_at}'::text[])
               AND ((OLD.status, NEW.status) IN (('finalized', 'paid'), ('finalized', 'void'), ('finalized', 'uncollectible'),
                                                   ('uncollectible', 'paid'), ('uncollectible', 'void'))%s
                    OR to_jsonb(NEW) = to_jsonb(OLD)) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'invoice %% is %%, it cannot change', OLD.id, OLD.status
                USING ERRCODE = 'restrict_violation';
        END $$
"""
# What credit settled whole was paid by no one: it may still be taken back, and the credit is there again.
_SETTLED = """
                    OR ((OLD.status, NEW.status) = ('paid', 'void') AND OLD.credit_applied = OLD.total)"""
_CONSTRAINTS = (
    ("kind", "kind IN ('usage', 'adjustment', 'fee')", "kind IN ('usage', 'adjustment', 'fee', 'purchase')"),
    ("one_cause", "num_nonnulls(summary_id, fee_id) = 1", "num_nonnulls(summary_id, fee_id, purchase_id) = 1"),
    ("quota", "(fee_id IS NULL) = (quota_id IS NOT NULL)", "(summary_id IS NOT NULL) = (quota_id IS NOT NULL)"),
)


def upgrade() -> None:
    op.execute("ALTER TABLE invoices ADD COLUMN kind varchar(16) NOT NULL DEFAULT 'period'")
    op.execute("ALTER TABLE invoices ADD COLUMN closes_at timestamptz")
    op.execute(
        """
        CREATE FUNCTION close_with_its_period() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.closes_at := NEW.period_end;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER invoices_close_with_their_period BEFORE INSERT ON invoices FOR EACH ROW"
        " WHEN (NEW.closes_at IS NULL) EXECUTE FUNCTION close_with_its_period()"
    )
    # An invoice of the kinds that are there has a subscription; a new check says so of them.
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE invoices ALTER COLUMN subscription_id DROP NOT NULL")
    op.execute(_GUARD % _SETTLED)
    for name, rule in (
        ("kind", "kind IN ('period', 'change', 'correction', 'purchase')"),
        ("subscription", "subscription_id IS NOT NULL OR kind = 'purchase'"),
    ):
        op.execute(f"ALTER TABLE invoices ADD CONSTRAINT ck_invoices_{name} CHECK ({rule}) NOT VALID")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN cell varchar(128) COLLATE \"C\" NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN covered numeric(40, 12) NOT NULL DEFAULT '0'")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN purchase_id bigint")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN text_key varchar(64)")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN text_args jsonb")
    for name, _, rule in _CONSTRAINTS:
        # Each is wider than the one before it.
        constraint = f"ck_usage_invoice_items_{name}"
        op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE usage_invoice_items DROP CONSTRAINT {constraint}")
        op.execute(f"ALTER TABLE usage_invoice_items ADD CONSTRAINT {constraint} CHECK ({rule}) NOT VALID")


def downgrade() -> None:
    for column in ("text_args", "text_key", "covered", "cell"):
        op.execute(f"ALTER TABLE usage_invoice_items DROP COLUMN {column}")
    for name, rule, _ in _CONSTRAINTS:
        constraint = f"ck_usage_invoice_items_{name}"
        op.execute(f"ALTER TABLE usage_invoice_items DROP CONSTRAINT {constraint}")
        op.execute(f"ALTER TABLE usage_invoice_items ADD CONSTRAINT {constraint} CHECK ({rule})")
    op.execute("ALTER TABLE usage_invoice_items DROP COLUMN purchase_id")
    op.execute("DROP TRIGGER invoices_close_with_their_period ON invoices")
    op.execute("DROP FUNCTION close_with_its_period()")
    op.execute(_GUARD % "")
    op.execute("ALTER TABLE invoices DROP CONSTRAINT ck_invoices_subscription, DROP CONSTRAINT ck_invoices_kind")
    op.execute("ALTER TABLE invoices ALTER COLUMN subscription_id SET NOT NULL")
    op.execute("ALTER TABLE invoices DROP COLUMN closes_at, DROP COLUMN kind")
