"""A change of a plan that is reckoned before anything is locked, and once more where something came in between.

To reckon thousands of subscriptions takes many seconds, and no worker records while the shards are locked. So most of
it comes before. Each subscription has a mark, which is another one after anything that is reckoned with has changed:
under the locks only those are reckoned anew whose mark is another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.flows.billing.foresee_plan import foresee_plan, ids_on_plan
from usage_billing.flows.billing.plan_change import AT_A_TIME, PlanChange
from usage_billing.flows.billing.run_outcome import DIGESTS

# After a round that found no more, what comes next is done under the locks: another round would bring little.
_FEW = 10
# A row that is written has another xmin. A recording writes its summary, a fold that of its meter, and a run its items.
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
    ), rows AS (
        SELECT id AS name, concat_ws('|', 'subscription', xmin) AS row
        FROM subscriptions WHERE id = ANY(CAST(:ids AS text[]))
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


@dataclass(slots=True, kw_only=True)
class ReckonedAhead:
    """What a change of a plan would do to each subscription, by id, and the mark that each had by then."""

    change: PlanChange
    now: datetime
    adjust_within: timedelta
    digests: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def moved(self, session: Session) -> list[str]:
        """Those with another mark by now, in order; what is on the plan no more is forgotten."""
        ids = ids_on_plan(session, self.change.plan_id)
        for gone in self.marks.keys() - set(ids):
            del self.marks[gone]
            self.digests.pop(gone, None)
        marks = _marks(session, ids)
        return [id for id in ids if self.marks.get(id) != marks[id]]

    def reckon(self, session: Session, ids: Sequence[str]) -> None:
        """Reckon these, a slice at a time."""
        for start in range(0, len(ids), AT_A_TIME):
            self._reckon_slice(session, ids[start : start + AT_A_TIME])

    def comes_to_the_same(self, session: Session, ids: Sequence[str]) -> bool:
        """Reckon these, up to the first slice of which anything has come to something else; whether none has."""
        for start in range(0, len(ids), AT_A_TIME):
            part = ids[start : start + AT_A_TIME]
            before = [self.digests.get(id, 0) for id in part]
            self._reckon_slice(session, part)
            if before != [self.digests[id] for id in part]:
                return False
        return True

    def _reckon_slice(self, session: Session, ids: Sequence[str]) -> None:
        self.marks |= _marks(session, ids)
        found = foresee_plan(session, self.change, ids, now=self.now, adjust_within=self.adjust_within)
        self.digests |= dict.fromkeys(ids, 0) | found.digests

    def digest_text(self) -> str:
        """The digest of a rehearsal that finds the same."""
        return f"{sum(self.digests.values()) % DIGESTS:064x}"


def reckon_ahead(session: Session, change: PlanChange, *, now: datetime, adjust_within: timedelta) -> ReckonedAhead:
    """Reckon every subscription of the plan, and rounds of what moves meanwhile; nothing is locked or written.

    The rounds end when little moves, or when a round is not half of the one before: by then as much moves as is
    reckoned.
    """
    ahead = ReckonedAhead(change=change, now=now, adjust_within=adjust_within)
    at_most: int | None = None
    while True:
        moved = ahead.moved(session)
        ahead.reckon(session, moved)
        if len(moved) <= _FEW or (at_most is not None and len(moved) > at_most):
            return ahead
        at_most = len(moved) // 2


def _marks(session: Session, ids: Collection[str]) -> dict[str, str]:
    return {row.name: row.mark for row in session.execute(_MARKS, {"ids": list(ids)})}
