"""What was agreed: which plan held when, and which quota, allowance and fee follow from that for a segment."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.calendar import Rhythm, period_of, share_over
from usage_billing.reports.verify.versions import Chain, chain_of

_PLANS = text(
    "SELECT id, currency, interval, interval_count, base_fee, proration, prorates_edges, on_downgrade FROM plans"
)
_QUOTAS = text(
    """
    SELECT id, CASE WHEN subscription_id IS NULL THEN plan_id ELSE '' END AS plan, usage_type_id AS type,
        coalesce(subscription_id, '') AS own, plan_id, version = 1 AS first, effective, immediate,
        coalesce(asked_at, effective_from) AS asked_at, effective_from, created_at, ended_at, monthly_limit, price,
        rollover_periods, rollover_max, rollover_percent
    FROM usage_quotas ORDER BY id
    """
)
_FEES = text(
    """
    SELECT 0 AS id, id AS plan, '' AS own, id AS plan_id, false AS first, 'start' AS effective, false AS immediate,
        created_at AS asked_at, created_at AS effective_from, created_at, CAST(NULL AS timestamptz) AS ended_at,
        base_fee, base_fee_timing
    FROM plans
    UNION ALL
    SELECT id, CASE WHEN subscription_id IS NULL THEN plan_id ELSE '' END, coalesce(subscription_id, ''), plan_id,
        false, effective, immediate, asked_at, effective_from, created_at, ended_at, base_fee, base_fee_timing
    FROM plan_versions ORDER BY id
    """
)
_AGREEMENTS = text(
    """
    SELECT a.id, a.timezone, a.anchor, coalesce(a.anchor_day, 1) AS day, a.started_at, a.created_at,
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


class Term(NamedTuple):
    """A time in which one plan holds."""

    plan_id: str
    starts_at: datetime
    ends_at: datetime | None
    paused: bool


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """The terms of a subscription, in order. Where the same is agreed they share one, which is looked up as itself."""

    zone: str
    anchor: datetime | None
    day: int
    made_at: datetime
    terms: tuple[Term, ...]

    def rhythm(self, plan: Any) -> Rhythm:
        """How its periods follow each other on a plan."""
        return Rhythm(self.zone, plan.interval, plan.interval_count, self.anchor, self.day)

    def runs_at(self, at: datetime) -> datetime | None:
        """The first moment at or after ``at`` at which the subscription runs and is not paused."""
        for term in self.terms:
            start: datetime = max(term.starts_at, at)
            if not term.paused and (term.ends_at is None or start < term.ends_at):
                return start
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Every plan by id, and the versions of every quota, by (plan or '', usage type, own subscription or '')."""

    plans: dict[str, Any]
    quotas: dict[tuple[str, str, str], list[Any]]
    fees: dict[tuple[str, str], list[Any]]

    def segment(self, agreement: Agreement, at: datetime) -> Segment | None:
        """The segment that holds ``at``; None when the subscription does not run then."""
        term = _term_at(agreement, at)
        if term is None or term.paused:
            return None
        plan = self.plans[term.plan_id]
        period = period_of(agreement.rhythm(plan), at)
        end = period[1] if term.ends_at is None else min(period[1], term.ends_at)
        ended = agreement.terms[-1].ends_at
        bills_at = period[1] if ended is None else min(period[1], ended)
        return Segment(max(period[0], term.starts_at), end, bills_at, period, plan)

    def fee_segment(self, agreement: Agreement, subscription: str, at: datetime) -> tuple[Segment, Any | None] | None:
        """The segment of the base fee that holds ``at``, and the version in force; None when nothing runs then."""
        whole = self.segment(agreement, at)
        if whole is None:
            return None
        keys = (("", subscription), (whole.plan.id, ""))
        chains = [chain_of(self.fees.get(key, ()), agreement, self.plans) for key in keys]
        if whole.plan.proration == "none":
            return whole, _in_force(chains, whole.start)
        parts = _divided(whole, chains, lambda was, now, _: _fee(was) != _fee(now))
        return next(part for part in parts if part[0].start <= at < part[0].end)

    def parts(
        self, agreement: Agreement, subscription: str, usage_type: str, at: datetime
    ) -> tuple[tuple[Segment, Any | None], ...]:
        """All segments of the billing period around ``at``, in order; none when nothing runs then.

        A version that begins or ends within a segment divides it, if what is in force differs on both sides. Where one
        of its own began that was ended as of then or earlier, usage was divided and stays so.
        """
        own = subscription if ("", usage_type, subscription) in self.quotas else ""
        return _parts(self, agreement, own, usage_type, at)


@lru_cache(maxsize=4096)
def _parts(
    catalogue: Catalogue, agreement: Agreement, own: str, usage_type: str, at: datetime
) -> tuple[tuple[Segment, Any | None], ...]:
    """The segments around ``at``; ``own`` is the subscription where it has a quota of its own."""
    around = catalogue.segment(agreement, at)
    if around is None:
        return ()
    start, end = around.period
    found: list[tuple[Segment, Any | None]] = []
    known: dict[str, list[Chain]] = {}
    for term in agreement.terms:
        here = max(term.starts_at, start)
        whole = catalogue.segment(agreement, here) if here < min(end, term.ends_at or end) else None
        if whole is None or whole.period != around.period:
            continue
        plan = whole.plan.id
        if plan not in known:
            keys = (("", usage_type, own), (plan, usage_type, ""))
            known[plan] = [chain_of(catalogue.quotas.get(key, ()), agreement, catalogue.plans) for key in keys]
        found += _divided(whole, known[plan], lambda was, now, is_seam: is_seam or was is not now)
    return tuple(found)


def fee_shares(agreement: Agreement, segment: Segment) -> tuple[Fraction, Fraction]:
    """Between which shares of the subscribed part of the period a segment's fee lies; undivided it is due once."""
    plan, period = segment.plan, segment.period
    begun, ended = agreement.terms[0].starts_at, agreement.terms[-1].ends_at
    if plan.proration == "none":
        term = _term_at(agreement, segment.start)
        before = (t for t in agreement.terms if t.starts_at < term.starts_at and not t.paused)
        again = any(t.plan_id == plan.id and (t.ends_at is None or t.ends_at > period[0]) for t in before)
        return Fraction(0), Fraction(0 if again else 1)
    subscribed = (period[0] if plan.prorates_edges else max(period[0], begun), period[1])
    first, last = (
        share_over(subscribed, at, method=plan.proration, zone=agreement.zone) for at in (segment.start, segment.end)
    )
    return first, Fraction(1) if segment.end == ended and not plan.prorates_edges else last


def _term_at(agreement: Agreement, at: datetime) -> Any:
    """The term that holds ``at``; None before the first and after the end."""
    return next((t for t in agreement.terms if t.starts_at <= at and (t.ends_at is None or at < t.ends_at)), None)


def _in_force(chains: Sequence[Chain], at: datetime) -> Any | None:
    """What holds at a moment by the first chain that has anything then."""
    return next((found for chain in chains if (found := chain.at(at)) is not None), None)


def _divided(
    whole: Segment, chains: Sequence[Chain], differs: Callable[[Any | None, Any | None, bool], bool]
) -> list[tuple[Segment, Any | None]]:
    """A segment cut where what is in force differs from what was, in order, each part with what is in force in it."""
    told = sorted(at for at in frozenset().union(*(chain.told for chain in chains)) if whole.start < at < whole.end)
    start, was = whole.start, _in_force(chains, whole.start)
    found: list[tuple[Segment, Any | None]] = []
    holds = was
    for at in told:
        now = _in_force(chains, at)
        if differs(was, now, any(at in chain.seams for chain in chains)):
            found.append((replace(whole, start=start, end=at), holds))
            start, holds = at, now
        was = now
    return [*found, (replace(whole, start=start), holds)]


def _fee(version: Any | None) -> tuple[Any, str] | None:
    return None if version is None else (version.base_fee, version.base_fee_timing)


def load_catalogue(session: Session) -> Catalogue:
    """All plans, and all versions of quotas and of base fees."""
    fees: dict[tuple[str, str], list[Any]] = {}
    for row in session.execute(_FEES):
        fees.setdefault((row.plan, row.own), []).append(row)
    quotas: dict[tuple[str, str, str], list[Any]] = {}
    for row in session.execute(_QUOTAS):
        quotas.setdefault((row.plan, row.type, row.own), []).append(row)
    return Catalogue({row.id: row for row in session.execute(_PLANS)}, quotas, fees)


def load_agreements(session: Session, ids: Collection[str]) -> dict[str, Agreement]:
    """The terms of these subscriptions, by subscription."""
    found: dict[str, list[Any]] = {}
    for row in session.execute(_AGREEMENTS, {"ids": list(ids)}).all():
        found.setdefault(row.id, []).append(row)
    return {id: _agreement(rows) for id, rows in found.items()}


def _agreement(rows: Sequence[Any]) -> Agreement:
    first = rows[0]
    anchor = first.started_at if first.anchor == "anniversary" else None
    terms = tuple(Term(row.plan_id, row.starts_at, row.ends_at, row.paused) for row in rows)
    return _agreed(first.timezone, anchor, first.day, first.created_at, terms)


@lru_cache(maxsize=4096)
def _agreed(zone: str, anchor: datetime | None, day: int, made_at: datetime, terms: tuple[Term, ...]) -> Agreement:
    return Agreement(zone, anchor, day, made_at, terms)
