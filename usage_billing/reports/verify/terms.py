"""What was agreed: which plan held when, and which quota, allowance and fee follow from that for a segment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.calendar import Rhythm, period_of, share_over

_PLANS = text(
    "SELECT id, currency, interval, interval_count, base_fee, proration, prorates_edges, on_downgrade FROM plans"
)
_QUOTAS = text(
    """
    SELECT id, plan_id, usage_type_id, coalesce(subscription_id, '') AS own, immediate, effective_from,
        monthly_limit, price
    FROM usage_quotas ORDER BY version DESC
    """
)
_AGREEMENTS = text(
    """
    SELECT a.id, a.timezone, a.anchor, coalesce(a.anchor_day, 1) AS day, a.started_at,
        t.plan_id, t.starts_at, t.ends_at, t.paused
    FROM subscriptions AS a JOIN subscription_terms AS t ON t.subscription_id = a.id
    WHERE a.id = ANY(CAST(:ids AS text[])) ORDER BY a.id, t.starts_at
    """
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a billing period in which nothing changes."""

    start: datetime
    end: datetime
    bills_at: datetime
    period: tuple[datetime, datetime]
    plan: Any
    joined: datetime
    first: Fraction
    last: Fraction


@dataclass(frozen=True, slots=True)
class Agreement:
    """The terms of one subscription in order: rows of (plan_id, starts_at, ends_at, paused)."""

    zone: str
    anchor: datetime | None
    day: int
    terms: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every plan by id, and every version of every quota, newest first, by (plan, usage type, own subscription)."""

    plans: dict[str, Any]
    quotas: dict[tuple[str, str, str], list[Any]]

    def versions(self, plan_id: str, usage_type: str, subscription: str) -> list[Any]:
        """The quota versions that could be in force: the subscription's own, then the plan's, each newest first."""
        return [quota for own in (subscription, "") for quota in self.quotas.get((plan_id, usage_type, own), ())]

    def segment(self, agreement: Agreement, at: datetime, *, cuts: Collection[datetime] = ()) -> Segment | None:
        """The segment that holds ``at``; None when the subscription does not run then."""
        term = next(
            (t for t in agreement.terms if t.starts_at <= at and (t.ends_at is None or at < t.ends_at)),
            None,
        )
        if term is None or term.paused:
            return None
        plan = self.plans[term.plan_id]
        period = period_of(
            Rhythm(agreement.zone, plan.interval, plan.interval_count, agreement.anchor, agreement.day), at
        )
        start = max([period[0], term.starts_at, *(cut for cut in cuts if cut <= at)])
        end = min([period[1], *(cut for cut in cuts if cut > at), *([term.ends_at] if term.ends_at else [])])
        ended = agreement.terms[-1].ends_at
        first, last = _fee_shares(agreement, term, plan, period, (start, end))
        bills_at = period[1] if ended is None else min(period[1], ended)
        return Segment(start, end, bills_at, period, plan, max(period[0], _joined(agreement, term)), first, last)

    def usage_segment(
        self, agreement: Agreement, subscription: str, usage_type: str, at: datetime
    ) -> tuple[Segment, Any | None] | None:
        """The segment of a usage type that holds ``at``, and the quota in force in it; None when nothing runs then."""
        whole = self.segment(agreement, at)
        if whole is None:
            return None
        versions = self.versions(whole.plan.id, usage_type, subscription)

        def in_force(at: datetime) -> Any | None:
            return next((v for v in versions if v.effective_from <= (at if v.immediate else whole.joined)), None)

        # A version that takes effect at once begins a new segment, unless another version takes precedence: then the
        # version in force is the same before and after.
        instants = sorted({v.effective_from for v in versions if v.immediate and v.effective_from > whole.start})
        cuts = [
            at
            for at, before in zip(instants, [whole.start, *instants], strict=False)
            if in_force(at) is not in_force(before)
        ]
        cut = self.segment(agreement, at, cuts=cuts)
        return None if cut is None else (cut, in_force(cut.start))

    def parts(
        self, agreement: Agreement, subscription: str, usage_type: str, at: datetime
    ) -> list[tuple[Segment, Any | None]]:
        """All segments of the billing period around ``at``, in order; none when nothing runs then."""
        around = self.segment(agreement, at)
        if around is None:
            return []
        start, end = around.period
        found: list[tuple[Segment, Any | None]] = []
        for term in agreement.terms:
            here = max(term.starts_at, start)
            while here < min(end, term.ends_at or end):
                part = self.usage_segment(agreement, subscription, usage_type, here)
                if part is None or part[0].period != around.period:
                    break
                found.append(part)
                here = part[0].end
        return found


def _fee_shares(
    agreement: Agreement, term: Any, plan: Any, period: tuple[datetime, datetime], span: tuple[datetime, datetime]
) -> tuple[Fraction, Fraction]:
    """Between which shares of the subscribed part of the period a segment's fee lies; undivided it is due once."""
    begun, ended = agreement.terms[0].starts_at, agreement.terms[-1].ends_at
    if plan.proration == "none":
        before = (t for t in agreement.terms if t.starts_at < term.starts_at and not t.paused)
        again = any(t.plan_id == term.plan_id and t.ends_at > period[0] for t in before)
        return Fraction(0), Fraction(0 if again else 1)
    subscribed = (period[0] if plan.prorates_edges else max(period[0], begun), period[1])
    first, last = (share_over(subscribed, at, method=plan.proration, zone=agreement.zone) for at in span)
    return first, Fraction(1) if span[1] == ended and not plan.prorates_edges else last


def _joined(agreement: Agreement, term: Any) -> datetime:
    """Since when the subscription has been on the plan of ``term``, pauses included."""
    since: datetime = term.starts_at
    for earlier in sorted(agreement.terms, key=lambda t: t.starts_at, reverse=True):
        if earlier.starts_at < since:
            if earlier.plan_id != term.plan_id:
                break
            since = earlier.starts_at
    return since


def load_catalogue(session: Session) -> Catalogue:
    """All plans and all versions of quotas."""
    quotas: dict[tuple[str, str, str], list[Any]] = {}
    for row in session.execute(_QUOTAS):
        quotas.setdefault((row.plan_id, row.usage_type_id, row.own), []).append(row)
    return Catalogue({row.id: row for row in session.execute(_PLANS)}, quotas)


def load_agreements(session: Session, ids: Collection[str]) -> dict[str, Agreement]:
    """The terms of these subscriptions, by subscription."""
    found: dict[str, list[Any]] = {}
    for row in session.execute(_AGREEMENTS, {"ids": list(ids)}):
        found.setdefault(row.id, []).append(row)
    return {id: _agreement(rows) for id, rows in found.items()}


def _agreement(rows: Sequence[Any]) -> Agreement:
    first = rows[0]
    return Agreement(first.timezone, first.started_at if first.anchor == "anniversary" else None, first.day, rows)
