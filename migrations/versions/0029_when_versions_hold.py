"""From when a version of a quota holds: as it was asked, and until when one's own does.

What holds stays as it is. A first version of a plan goes on holding from the start. A planned version that one at once
had overtaken never comes, as before. A quota of one's own ends where its subscription left the plan that it was given
for; none revives when the subscription comes back, and what was invoiced since then by one that had is frozen.
"""

from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.execute("ALTER TABLE usage_quotas ADD COLUMN effective varchar(16) DEFAULT 'next_period' NOT NULL")
    # Quotas are few, and the check is over before a reader notices.
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        "ALTER TABLE usage_quotas ADD CONSTRAINT ck_usage_quotas_effective"
        " CHECK (effective IN ('next_period', 'period', 'now', 'start', 'instant'))"
    )
    op.execute("ALTER TABLE usage_quotas ADD COLUMN asked_at timestamptz")
    op.execute("ALTER TABLE usage_quotas ADD COLUMN ended_at timestamptz")
    op.execute("ALTER TABLE usage_quotas ADD COLUMN ended_by bigint")
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("UPDATE usage_quotas SET effective = 'now' WHERE immediate")
    op.execute(
        "UPDATE usage_quotas SET effective = 'start'"
        " WHERE subscription_id IS NULL AND version = 1 AND effective_from <= '1970-01-01Z'"
    )
    op.execute(
        "UPDATE usage_quotas AS q SET ended_at = n.effective_from FROM usage_quotas AS n"
        " WHERE NOT q.immediate AND q.effective = 'next_period' AND n.immediate AND n.version = q.version + 1"
        " AND (n.plan_id, n.usage_type_id, coalesce(n.subscription_id, ''))"
        " = (q.plan_id, q.usage_type_id, coalesce(q.subscription_id, ''))"
    )
    op.execute(
        "UPDATE usage_quotas SET ended_at = effective_from WHERE subscription_id IS NOT NULL AND NOT EXISTS ("
        " SELECT FROM subscription_terms AS t WHERE t.subscription_id = usage_quotas.subscription_id"
        " AND t.plan_id = usage_quotas.plan_id AND (t.ends_at IS NULL OR t.ends_at > usage_quotas.effective_from))"
    )
    op.execute(
        "UPDATE usage_quotas AS q SET asked_at = greatest(q.effective_from, s.since),"
        " effective_from = CASE WHEN q.immediate THEN greatest(q.effective_from, s.since) ELSE q.effective_from END,"
        " ended_at = least(q.ended_at, s.until),"
        " effective_until = CASE WHEN s.until IS NULL THEN q.effective_until"
        "  ELSE greatest(least(q.effective_until, s.until), q.effective_from, s.since) END,"
        " ended_by = (SELECT min(c.id) FROM subscription_changes AS c WHERE c.subscription_id = q.subscription_id"
        " AND c.at = s.until AND c.kind = 'plan' AND c.taken_back_at IS NULL)"
        " FROM usage_quotas AS o CROSS JOIN LATERAL ("
        "  SELECT f.since, (SELECT min(l.starts_at) FROM subscription_terms AS l"
        "   WHERE l.subscription_id = o.subscription_id AND l.plan_id <> o.plan_id AND l.starts_at > f.since) AS until"
        "  FROM (SELECT min(t.starts_at) AS since FROM subscription_terms AS t"
        "   WHERE t.subscription_id = o.subscription_id AND t.plan_id = o.plan_id"
        "   AND (t.ends_at IS NULL OR t.ends_at > o.effective_from)) AS f"
        " ) AS s WHERE o.id = q.id AND q.subscription_id IS NOT NULL AND s.since IS NOT NULL"
    )
    op.execute(
        "UPDATE usage_summaries AS s SET frozen = f.is_final, to_rate = s.to_rate OR NOT f.is_final FROM ("
        " SELECT o.id, EXISTS (SELECT FROM invoices AS i WHERE i.subscription_id = o.subscription_id"
        " AND i.closes_at = o.bills_at AND i.status IN ('finalized', 'paid', 'uncollectible')) AS is_final"
        " FROM usage_summaries AS o JOIN usage_quotas AS q ON q.id = o.quota_id"
        " WHERE q.subscription_id IS NOT NULL AND q.ended_at <= o.period_start"
        ") AS f WHERE f.id = s.id"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE usage_quotas DROP COLUMN ended_by")
    op.execute("ALTER TABLE usage_quotas DROP COLUMN ended_at")
    op.execute("ALTER TABLE usage_quotas DROP COLUMN asked_at")
    op.execute("ALTER TABLE usage_quotas DROP COLUMN effective")
