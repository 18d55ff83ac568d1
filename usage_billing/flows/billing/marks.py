"""A mark for each subscription, which is another one after anything that it is reckoned with has changed.

What takes long is reckoned before anything is locked, and under the locks only where the mark is another by then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session

# A row that is written has another xmin. A recording writes its summary, a fold that of its meter, and a run its items.
# A grant in units changes what is charged of any subscription of its customer.
_MARKS = text("""
    WITH shared AS MATERIALIZED (
        SELECT coalesce(sum(hash), 0) AS hash
        FROM (
            SELECT hashtextextended(concat_ws('|', 'plans', id, xmin), 0) AS hash FROM plans
            UNION ALL
            SELECT hashtextextended(concat_ws('|', 'types', id, xmin), 0) FROM usage_types
            UNION ALL
            SELECT hashtextextended(concat_ws('|', 'meters', usage_type_id, version, xmin), 0) FROM meter_definitions
            UNION ALL
            SELECT hashtextextended(concat_ws('|', 'quotas', id, xmin), 0)
            FROM usage_quotas WHERE subscription_id IS NULL
            UNION ALL
            SELECT hashtextextended(concat_ws('|', 'fees', id, xmin), 0)
            FROM plan_versions WHERE subscription_id IS NULL
        ) AS listed
    ), prepaid AS MATERIALIZED (
        SELECT w.customer_id, sum(hashtextextended(concat_ws('|', 'grant', g.id, g.xmin), 0)) AS hash
        FROM wallets AS w
        JOIN wallet_grants AS g ON g.wallet_id = w.id
        WHERE w.currency IS NULL
            AND w.customer_id IN (SELECT customer_id FROM subscriptions WHERE id = ANY(CAST(:ids AS text[])))
        GROUP BY 1
    ), rows AS (
        SELECT id AS name, concat_ws('|', 'subscription', xmin) AS row
        FROM subscriptions WHERE id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT s.id, concat_ws('|', 'prepaid', p.hash)
        FROM subscriptions AS s JOIN prepaid AS p ON p.customer_id = s.customer_id
        WHERE s.id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT subscription_id, concat_ws('|', 'term', starts_at, xmin)
        FROM subscription_terms WHERE subscription_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT subscription_id, concat_ws('|', 'quota', id, xmin)
        FROM usage_quotas WHERE subscription_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT subscription_id, concat_ws('|', 'fee', id, xmin)
        FROM plan_versions WHERE subscription_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT subscription_id, concat_ws('|', 'summary', id, xmin)
        FROM usage_summaries WHERE subscription_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT subscription_id, concat_ws('|', 'charge', id, xmin)
        FROM fee_charges WHERE subscription_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT subscription_id, concat_ws('|', 'invoice', id, xmin)
        FROM invoices WHERE subscription_id = ANY(CAST(:ids AS text[]))
        UNION ALL
        SELECT i.subscription_id, concat_ws('|', 'item', t.id, t.xmin)
        FROM invoices AS i JOIN usage_invoice_items AS t ON t.invoice_id = i.id
        WHERE i.subscription_id = ANY(CAST(:ids AS text[])) AND i.status = 'draft'
    )
    SELECT name, CAST(sum(hashtextextended(row, 0)) + (SELECT hash FROM shared) AS text) AS mark
    FROM rows
    GROUP BY name
""")


@dataclass(slots=True)
class Marks:
    """The marks of subscriptions, by id, as they were when each was looked at last."""

    found: dict[str, str] = field(default_factory=dict)

    def changed(self, session: Session, ids: Sequence[str]) -> list[str]:
        """Those of ``ids`` with another mark by now, in their order; the caller looks at them next."""
        marks = marks_of(session, ids)
        changed = [id for id in ids if self.found.get(id) != marks[id]]
        self.found |= marks
        return changed


def marks_of(session: Session, ids: Collection[str]) -> dict[str, str]:
    """The marks of these subscriptions of this moment, by id."""
    return {row.name: row.mark for row in session.execute(_MARKS, {"ids": list(ids)})}
