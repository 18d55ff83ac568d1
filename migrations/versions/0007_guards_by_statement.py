"""The guard of finalized items asks once a statement instead of once a row; that of invoices is not asked for drafts.

A run writes some hundreds of items in one statement. Asked for each, the guard cost as much as the rest of the
writing, and the COPY had to insert row by row. And two things are looked up by subscription, slice by slice: its
terms, for which the exclusion constraint's index takes ten times as long, and its drafts, for which the index by the
end of the period led to those of all subscriptions.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_BY_ROW = """
    CREATE OR REPLACE FUNCTION refuse_change_of_finalized_items() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            touched uuid[] := CASE TG_OP
                WHEN 'INSERT' THEN ARRAY[NEW.invoice_id]
                WHEN 'DELETE' THEN ARRAY[OLD.invoice_id]
                ELSE ARRAY[OLD.invoice_id, NEW.invoice_id] END;
        BEGIN
            IF EXISTS (SELECT FROM invoices WHERE id = ANY (touched) AND status <> 'draft') THEN
                RAISE EXCEPTION 'the items of invoice % are final', touched[1]
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        END $$
"""


# Plans are kept: one made while the table was small would read all of it for ever after, hence no scans.
_BY_STATEMENT = """
    CREATE OR REPLACE FUNCTION refuse_change_of_finalized_items() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off AS $$
        DECLARE
            final uuid := (SELECT t.invoice_id FROM (SELECT DISTINCT invoice_id FROM touched) AS t WHERE EXISTS (
                SELECT FROM invoices AS i WHERE i.id = t.invoice_id AND i.status <> 'draft') LIMIT 1);
        BEGIN
            IF final IS NOT NULL THEN
                RAISE EXCEPTION 'the items of invoice % are final', final USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NULL;
        END $$
"""
_TRIGGERS = (
    ("finalized_items_take_no_more", "INSERT", "NEW"),
    ("finalized_items_never_change", "UPDATE", "OLD"),
    ("finalized_items_never_come", "UPDATE", "NEW"),
    ("finalized_items_never_go", "DELETE", "OLD"),
)


def upgrade() -> None:
    op.execute("DROP TRIGGER finalized_items_never_change ON usage_invoice_items")
    op.execute(_BY_STATEMENT)
    for name, event, rows in _TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON usage_invoice_items REFERENCING {rows} TABLE AS touched"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_finalized_items()"
        )
    op.execute("DROP TRIGGER finalized_invoices_never_change ON invoices")
    op.execute(
        "CREATE TRIGGER finalized_invoices_never_change BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW"
        " WHEN (OLD.status <> 'draft') EXECUTE FUNCTION refuse_change_of_finalized_invoice()"
    )
    # While this is made billing waits, and nobody else: only billing writes invoices.
    op.execute("-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX ix_invoices_drafts_due")
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX ix_invoices_drafts ON invoices (subscription_id, period_end) WHERE status = 'draft'"
    )
    # One row or two a subscription: some tenths of a second, in which nobody changes one.
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX ix_subscription_terms_subscription ON subscription_terms (subscription_id, starts_at)"
    )


def downgrade() -> None:
    op.drop_index("ix_subscription_terms_subscription", table_name="subscription_terms")
    op.drop_index("ix_invoices_drafts", table_name="invoices")
    op.execute("CREATE INDEX ix_invoices_drafts_due ON invoices (period_end) WHERE status = 'draft'")
    op.execute("DROP TRIGGER finalized_invoices_never_change ON invoices")
    op.execute(
        "CREATE TRIGGER finalized_invoices_never_change BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW"
        " EXECUTE FUNCTION refuse_change_of_finalized_invoice()"
    )
    for name, _, _ in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON usage_invoice_items")
    op.execute(_BY_ROW)
    op.execute(
        "CREATE TRIGGER finalized_items_never_change BEFORE INSERT OR UPDATE OR DELETE ON usage_invoice_items"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change_of_finalized_items()"
    )
