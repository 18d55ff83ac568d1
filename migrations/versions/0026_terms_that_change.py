"""What a period that is cut stands on: boundaries, budgets, groups of one price; and what stays as it was charged.

A summary of a period with a final invoice keeps its allowance for ever where the period was cut, and so does a fee that
was invoiced: reckoned by the rules that come with this, one late unit would charge an old month anew. What is still on
drafts is looked at again by the next run.
"""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute("ALTER TABLE plans ADD COLUMN on_downgrade varchar(16) DEFAULT 'keep' NOT NULL")
    # Plans are few, and the check is over before a reader notices.
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        "ALTER TABLE plans ADD CONSTRAINT ck_plans_on_downgrade CHECK (on_downgrade IN ('keep', 'charge'))"
    )
    op.execute("ALTER TABLE usage_summaries ADD COLUMN boundary bigint")
    op.execute("ALTER TABLE usage_summaries ADD COLUMN frozen boolean DEFAULT false NOT NULL")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN rated_price jsonb")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN before_quantity numeric(40, 12) DEFAULT '0' NOT NULL")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN before_recordings bigint DEFAULT '0' NOT NULL")
    op.execute("ALTER TABLE usage_invoice_items ADD COLUMN before_amount numeric(48, 4) DEFAULT '0' NOT NULL")
    # Those that are there are frozen without being written; the few that are yet to be invoiced are not.
    op.execute("ALTER TABLE fee_charges ADD COLUMN frozen boolean DEFAULT true NOT NULL")
    op.execute("ALTER TABLE fee_charges ALTER COLUMN frozen SET DEFAULT false")
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("UPDATE fee_charges SET frozen = false WHERE bills_at > now()")
    # A summary that shares its period with another, or has a part of the limit, is of a period that was cut.
    op.execute(
        "UPDATE usage_summaries AS s SET frozen = c.is_final, to_rate = s.to_rate OR NOT c.is_final FROM ("
        " SELECT o.id, EXISTS (SELECT FROM invoices AS i WHERE i.subscription_id = o.subscription_id"
        " AND i.closes_at = o.bills_at AND i.status IN ('finalized', 'paid', 'uncollectible')) AS is_final"
        " FROM usage_summaries AS o LEFT JOIN usage_quotas AS q ON q.id = o.quota_id"
        " WHERE o.allowance IS DISTINCT FROM q.monthly_limit OR EXISTS ("
        " SELECT FROM usage_summaries AS n WHERE n.subscription_id = o.subscription_id"
        " AND n.usage_type_id = o.usage_type_id AND n.bills_at = o.bills_at AND n.id <> o.id)"
        ") AS c WHERE c.id = s.id"
    )
    op.execute(
        "UPDATE subscriptions AS s SET opens_at = least(s.opens_at, f.since) FROM ("
        " SELECT subscription_id, min(period_start) AS since FROM fee_charges WHERE NOT frozen"
        " GROUP BY subscription_id HAVING count(*) > 1"
        ") AS f WHERE f.subscription_id = s.id"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE fee_charges DROP COLUMN frozen")
    op.execute("ALTER TABLE usage_invoice_items DROP COLUMN before_amount")
    op.execute("ALTER TABLE usage_invoice_items DROP COLUMN before_recordings")
    op.execute("ALTER TABLE usage_invoice_items DROP COLUMN before_quantity")
    op.execute("ALTER TABLE usage_invoice_items DROP COLUMN rated_price")
    op.execute("ALTER TABLE usage_summaries DROP COLUMN frozen")
    op.execute("ALTER TABLE usage_summaries DROP COLUMN boundary")
    op.execute("ALTER TABLE plans DROP COLUMN on_downgrade")
