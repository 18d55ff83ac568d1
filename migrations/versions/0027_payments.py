"""How an invoice was paid: the reference and the method that the payer's bank or the operator gave.

Of a final invoice they may be set in one moment alone, when it becomes paid; the trigger refuses every other change.
"""

from alembic import op

revision = "0027"
down_revision = "0026"

# To the letter as 0015 leaves it, so that the way back leads there.
_BEFORE = """
        CREATE OR REPLACE FUNCTION refuse_change_of_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.status = 'draft' THEN
                RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
            END IF;
            IF TG_OP = 'UPDATE'
               AND (to_jsonb(NEW) - '{status,paid_at,voided_at}'::text[])
                 = (to_jsonb(OLD) - '{status,paid_at,voided_at}'::text[])
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
_SAID_WHEN_PAID = """
               AND (NEW.status = 'paid' OR (NEW.payment_reference, NEW.payment_method)
                    IS NOT DISTINCT FROM (OLD.payment_reference, OLD.payment_method))"""


def upgrade() -> None:
    op.execute("ALTER TABLE invoices ADD COLUMN payment_reference varchar(256)")
    op.execute("ALTER TABLE invoices ADD COLUMN payment_method varchar(64)")
    free, anchor = "{status,paid_at,voided_at}", "\n               AND ((OLD.status"
    guard = _BEFORE.replace(free, "{status,paid_at,voided_at,payment_reference,payment_method}")
    op.execute(guard.replace(anchor, _SAID_WHEN_PAID + anchor))


def downgrade() -> None:
    op.execute(_BEFORE)
    op.execute("ALTER TABLE invoices DROP COLUMN payment_method")
    op.execute("ALTER TABLE invoices DROP COLUMN payment_reference")
