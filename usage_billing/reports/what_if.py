"""What recorded history would have cost under another plan, or at another price; nothing is written.

The usage is counted anew, event by event in the order recorded, into the periods, allowances and prices of the
other plan, by the same pure rules that bill.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageQuota
from usage_billing.catalog.queries import QuotaBook, plans_by_id, quotas_of
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Cadence
from usage_billing.metering.models import Usage, UsageVoid
from usage_billing.metering.split import beyond_of_next
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.engine import amount_for
from usage_billing.subscriptions.lifecycle import ANNIVERSARY, Segment, Term, Terms, Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import timelines_of

_NOTHING = Decimal(0)
_AT_A_TIME = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Usage that occurred from ``start`` to before ``end``, under ``plan_id``; ``prices`` replace its own by type.

    Without ``plan_id`` everybody stays on their plan and only ``prices`` are other.
    """

    start: datetime
    end: datetime
    plan_id: str | None = None
    prices: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    customer_id: str | None = None


@dataclass(slots=True)
class Comparison:
    """One customer's charges in one currency: as agreed, and as asked."""

    customer_id: str
    currency: str
    actual: Decimal = _NOTHING
    hypothetical: Decimal = _NOTHING

    @property
    def difference(self) -> Decimal:
        """Positive for those who would pay more."""
        return EXACT.subtract(self.hypothetical, self.actual)


def what_if(session: Session, question: Question) -> list[Comparison]:
    """Compare customer by customer; raises InvalidInput for an unknown plan or a range that ends before it starts."""
    if question.end <= question.start:
        raise InvalidInput.field("/to", "must be after from", code="out_of_range")
    if question.plan_id is not None and session.get(Plan, question.plan_id) is None:
        raise InvalidInput.field("/plan", f"there is no plan {question.plan_id}", code="unknown_plan")
    found: dict[tuple[str, str], Comparison] = {}
    for subscription in _subscriptions(session, question):
        line = timelines_of(session, [subscription.id])[subscription.id]
        other = _other(session, line, subscription, question.plan_id)
        plans = plans_by_id(session, {t.plan_id for t in (*line.terms, *other.terms)})
        quotas = quotas_of(session, plans, subscription_ids=[subscription.id])
        events = list(_events(session, subscription.id, question))
        for asked, timeline, prices in ((False, line, {}), (True, other, question.prices)):
            currency = plans[timeline.terms[-1].plan_id].currency
            key = (subscription.customer_id, currency)
            comparison = found.setdefault(key, Comparison(subscription.customer_id, currency))
            amount = _usage_charges(subscription.id, events, timeline, plans, quotas, prices)
            amount = EXACT.add(amount, _fees(timeline, plans, question))
            if asked:
                comparison.hypothetical = EXACT.add(comparison.hypothetical, amount)
            else:
                comparison.actual = EXACT.add(comparison.actual, amount)
    return sorted(found.values(), key=lambda row: (row.difference, row.customer_id))


Event = tuple[str, datetime, Decimal]
"""(usage type, when it occurred, quantity)."""


def _subscriptions(session: Session, question: Question) -> Iterator[Subscription]:
    statement = select(Subscription).where(Subscription.started_at < question.end).order_by(Subscription.id)
    if question.customer_id is not None:
        statement = statement.where(Subscription.customer_id == question.customer_id)
    return iter(session.scalars(statement.execution_options(yield_per=_AT_A_TIME)))


def _events(session: Session, subscription_id: str, question: Question) -> Iterator[Event]:
    rows = session.execute(
        select(Usage.usage_type_id, Usage.occurred_at, Usage.quantity)
        .where(
            Usage.subscription_id == subscription_id,
            Usage.occurred_at >= question.start,
            Usage.occurred_at < question.end,
            ~exists().where(UsageVoid.usage_id == Usage.id),
        )
        .order_by(Usage.summary_id, Usage.ordinal)
        .execution_options(yield_per=_AT_A_TIME)
    )
    for row in rows:
        yield row[0], row[1], row[2]


def _other(session: Session, line: Timeline, subscription: Subscription, plan_id: str | None) -> Timeline:
    """The same subscription as if it had been on ``plan_id`` whenever it ran."""
    if plan_id is None:
        return line
    plan = session.get_one(Plan, plan_id)
    terms = Terms(
        cadence=Cadence(
            plan.interval, plan.interval_count, subscription.started_at if subscription.anchor == ANNIVERSARY else None
        ),
        proration=plan.proration,
        prorates_edges=plan.prorates_edges,
    )
    moved: list[Term] = []
    for term in (replace(term, plan_id=plan_id, terms=terms) for term in line.terms):
        if moved and not term.paused and not moved[-1].paused and moved[-1].ends_at == term.starts_at:
            moved[-1] = replace(moved[-1], ends_at=term.ends_at)
        else:
            moved.append(term)
    return Timeline(line.zone, moved)


def _usage_charges(
    subscription_id: str,
    events: list[Event],
    timeline: Timeline,
    plans: Mapping[str, Plan],
    quotas: QuotaBook,
    prices: Mapping[str, dict[str, Any]],
) -> Decimal:
    totals: dict[tuple[str, datetime], _Running] = {}
    for usage_type, occurred_at, quantity in events:
        term = timeline.term_at(occurred_at)
        cuts = quotas.cuts(term.plan_id, usage_type, subscription_id) if term else ()
        segment = timeline.segment_at(occurred_at, cuts=cuts)
        if segment is None:
            continue
        key = (usage_type, segment.start)
        if key not in totals:
            totals[key] = _Running.of(segment, usage_type, subscription_id, quotas)
        totals[key].add(quantity)
    amount = _NOTHING
    for (usage_type, _), running in totals.items():
        if running.quota is not None:
            price = prices.get(usage_type, running.quota.price)
            currency = plans[running.plan_id].currency
            amount = EXACT.add(
                amount, amount_for(price, running.beyond, recordings=running.recordings, currency=currency)
            )
    return amount


@dataclass(slots=True)
class _Running:
    plan_id: str
    quota: UsageQuota | None
    allowance: Decimal | None
    total: Decimal = _NOTHING
    beyond: Decimal = _NOTHING
    recordings: int = 0

    @classmethod
    def of(cls, segment: Segment, usage_type: str, subscription_id: str, quotas: QuotaBook) -> "_Running":
        quota = quotas.in_force(
            segment.plan_id, usage_type, subscription_id, period_start=segment.period.start, at=segment.start
        )
        limit = None if quota is None else quota.limit
        return cls(segment.plan_id, quota if limit is not None else None, segment.allowance(limit))

    def add(self, quantity: Decimal) -> None:
        more = beyond_of_next(self.total, quantity, self.allowance)
        self.total = EXACT.add(self.total, quantity)
        self.beyond = EXACT.add(self.beyond, more)
        self.recordings += bool(more)


def _fees(timeline: Timeline, plans: Mapping[str, Plan], question: Question) -> Decimal:
    amount = _NOTHING
    edges = sorted({question.start, question.end, *(t.starts_at for t in timeline.terms)})
    for begin, until in pairwise(edge for edge in edges if question.start <= edge <= question.end):
        at = begin
        while at < until:
            segment = timeline.segment_at(at)
            if segment is None:
                break
            fee = plans[segment.plan_id].base_fee
            if fee is not None and question.start <= segment.start < question.end and begin <= segment.start:
                places = minor_unit(plans[segment.plan_id].currency)
                amount = EXACT.add(amount, segment.part_of(fee, places=places))
            at = segment.end
    return amount
