"""What recorded history would have cost under another plan, or at another price; nothing is written.

The usage is counted anew, event by event in the order recorded, into the periods, allowances and prices of the
other plan, by the same pure rules that bill.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan
from usage_billing.catalog.queries import plans_by_id, quotas_of
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Cadence, Period
from usage_billing.metering.models import Usage, UsageVoid
from usage_billing.metering.split import beyond_of_next
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.engine import amount_for
from usage_billing.rating.price import has_minimum
from usage_billing.subscriptions.agreement import AgreedSegment, agreed_at, agreed_within
from usage_billing.subscriptions.anchors import ANNIVERSARY
from usage_billing.subscriptions.lifecycle import Segment, Term, Terms, Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import timelines_of

_NOTHING = Decimal(0)
_AT_A_TIME = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What usage from ``start`` to before ``end`` would cost on ``plan_id``; ``prices``, by type, replace the plan's.

    Without ``plan_id`` every customer stays on their plan and only the prices differ.
    """

    start: datetime
    end: datetime
    plan_id: str | None = None
    prices: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    customer_id: str | None = None


@dataclass(slots=True)
class Comparison:
    """A customer's charges in one currency: as they were agreed, and as the question has them."""

    customer_id: str
    currency: str
    actual: Decimal = _NOTHING
    hypothetical: Decimal = _NOTHING

    @property
    def difference(self) -> Decimal:
        """How much more the customer would pay; negative for less."""
        return EXACT.subtract(self.hypothetical, self.actual)


def what_if(session: Session, question: Question) -> list[Comparison]:
    """Compare customer by customer; raises InvalidInput for an unknown plan or a range that ends before it starts.

    A customer on a plan in another currency could not move to ``plan_id``, and so is compared on their own plan.
    """
    if question.end <= question.start:
        raise InvalidInput.field("/to", "must be after from", code="out_of_range")
    plan = None if question.plan_id is None else session.get(Plan, question.plan_id)
    if question.plan_id is not None and plan is None:
        raise InvalidInput.field("/plan", f"there is no plan {question.plan_id}", code="unknown_plan")
    found: dict[tuple[str, str], Comparison] = {}
    span = Period(question.start, question.end)
    for subscription in _subscriptions(session, question):
        line = timelines_of(session, [subscription.id])[subscription.id]
        stays = plan is not None and plan.currency != session.get_one(Plan, subscription.plan_id).currency
        other = line if plan is None or stays else _other(line, subscription, plan)
        plans = plans_by_id(session, {t.plan_id for t in (*line.terms, *other.terms)})
        quotas = quotas_of(session, plans, subscription_ids=[subscription.id])
        events = list(_events(session, subscription.id, question))
        for asked, timeline, prices in ((False, line, {}), (True, other, {} if stays else question.prices)):
            currency = plans[timeline.terms[-1].plan_id].currency
            key = (subscription.customer_id, currency)
            comparison = found.setdefault(key, Comparison(subscription.customer_id, currency))
            amount = _usage_charges(
                subscription.id, events, timeline=timeline, plans=plans, quotas=quotas, prices=prices, span=span
            )
            amount = EXACT.add(amount, _fees(timeline, plans, span))
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
            Usage.of(subscription_id),
            Usage.since(question.start),
            Usage.before(question.end),
            ~exists().where(UsageVoid.usage_id == Usage.id),
        )
        .order_by(Usage.summary_id, Usage.ordinal)
        .execution_options(yield_per=_AT_A_TIME)
    )
    for row in rows:
        yield row.usage_type_id, row.occurred_at, row.quantity


def _other(line: Timeline, subscription: Subscription, plan: Plan) -> Timeline:
    """The timeline of ``subscription`` as if it had been on ``plan`` whenever it ran."""
    terms = Terms(
        cadence=Cadence(
            plan.interval,
            plan.interval_count,
            subscription.started_at if subscription.anchor == ANNIVERSARY else None,
            subscription.anchor_day or 1,
        ),
        proration=plan.proration,
        prorates_edges=plan.prorates_edges,
    )
    moved: list[Term] = []
    for term in (replace(term, plan_id=plan.id, terms=terms) for term in line.terms):
        if moved and not term.paused and not moved[-1].paused and moved[-1].ends_at == term.starts_at:
            moved[-1] = replace(moved[-1], ends_at=term.ends_at)
        else:
            moved.append(term)
    return Timeline(line.zone, moved)


def _usage_charges(
    subscription_id: str,
    events: list[Event],
    *,
    timeline: Timeline,
    plans: Mapping[str, Plan],
    quotas: QuotaBook,
    prices: Mapping[str, dict[str, Any]],
    span: Period,
) -> Decimal:
    totals = _minimums(subscription_id, timeline, quotas=quotas, prices=prices, span=span)
    for usage_type, occurred_at, quantity in events:
        agreed = agreed_at(timeline, quotas, subscription_id, usage_type, occurred_at)
        if agreed is not None:
            totals.setdefault((usage_type, agreed.segment.start), _RunningTotal(agreed)).add(quantity)
    amount = _NOTHING
    for (usage_type, _), running in totals.items():
        quota = running.agreed.quota
        if quota is not None and quota.limit is not None:
            price = prices.get(usage_type, quota.price)
            currency = plans[running.agreed.segment.plan_id].currency
            due = amount_for(price, running.beyond, recordings=running.recordings, currency=currency)
            amount = EXACT.add(amount, due)
    return amount


def _minimums(
    subscription_id: str,
    timeline: Timeline,
    *,
    quotas: QuotaBook,
    prices: Mapping[str, dict[str, Any]],
    span: Period,
) -> dict[tuple[str, datetime], "_RunningTotal"]:
    """Empty totals for the segments that begin in ``span`` and whose price charges something even without usage."""
    found: dict[tuple[str, datetime], _RunningTotal] = {}
    for segment in _segments(timeline, span):
        for usage_type in quotas.usage_types_of(segment.plan_id, subscription_id):
            for agreed in agreed_within(timeline, quotas, subscription_id, usage_type, segment):
                price = prices.get(usage_type, agreed.quota.price if agreed.quota else {})
                if has_minimum(price) and agreed.segment.start in span:
                    found[usage_type, agreed.segment.start] = _RunningTotal(agreed)
    return found


@dataclass(slots=True)
class _RunningTotal:
    agreed: AgreedSegment
    total: Decimal = _NOTHING
    beyond: Decimal = _NOTHING
    recordings: int = 0

    def add(self, quantity: Decimal) -> None:
        more = beyond_of_next(self.total, quantity, self.agreed.allowance)
        self.total = EXACT.add(self.total, quantity)
        self.beyond = EXACT.add(self.beyond, more)
        self.recordings += bool(more)


def _fees(timeline: Timeline, plans: Mapping[str, Plan], span: Period) -> Decimal:
    amount = _NOTHING
    for segment in _segments(timeline, span):
        plan = plans[segment.plan_id]
        if plan.base_fee is not None and segment.start in span:
            amount = EXACT.add(amount, segment.part_of(plan.base_fee, places=minor_unit(plan.currency)))
    return amount


def _segments(timeline: Timeline, span: Period) -> Iterator[Segment]:
    """The segments that overlap ``span``, in order."""
    for term in timeline.terms:
        at = max(term.starts_at, span.start)
        until = span.end if term.ends_at is None else min(term.ends_at, span.end)
        while at < until:
            segment = timeline.segment_at(at)
            if segment is None:
                break
            yield segment
            at = segment.end
