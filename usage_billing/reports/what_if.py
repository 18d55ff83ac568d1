"""What recorded history would have cost under another plan, or at another price; nothing is written.

The usage is counted anew, event by event in the order recorded, into the periods, allowances and prices of the
other plan, by the same pure rules that bill. They know whole billing periods: what a range costs is the charge of its
periods up to its end, less that up to its start, so the parts of any span add up to it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.fees import FeeBook
from usage_billing.catalog.models import Plan
from usage_billing.catalog.queries import fees_of, plans_by_id, quotas_of
from usage_billing.core.clock import utc_now
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Period, period_at
from usage_billing.metering.queries import frozen_allowances
from usage_billing.meters.cells import check_named
from usage_billing.meters.queries import ActiveMeter, active_meters
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.engine import stored_price
from usage_billing.rating.pricing.by_dimension import ByDimension
from usage_billing.reports.what_if_charges import History
from usage_billing.reports.what_if_events import events_of
from usage_billing.reports.what_if_prepaid import Fee, pay
from usage_billing.reports.what_if_purses import InHand, in_hand_of
from usage_billing.reports.what_if_unused import carry_anew, rules_of
from usage_billing.subscriptions.agreement import fee_parts
from usage_billing.subscriptions.lifecycle import Segment, Term, Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import terms_on, timelines_of

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
    """A customer's charges in one currency: as they were agreed, and as the question has them.

    Units that are paid for beforehand are not charged. What grants in money pay of each is ``actual_prepaid`` and
    ``hypothetical_prepaid``.
    """

    customer_id: str
    currency: str
    actual: Decimal = _NOTHING
    hypothetical: Decimal = _NOTHING
    actual_prepaid: Decimal = _NOTHING
    hypothetical_prepaid: Decimal = _NOTHING

    @property
    def difference(self) -> Decimal:
        """How much more the customer would be charged; negative for less."""
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
    span, meters = Period(question.start, question.end), _meters(session, question)
    now = min(question.end, utc_now())
    for customer_id, grouped in groupby(_subscriptions(session, question), key=lambda one: one.customer_id):
        subscriptions, in_hand = list(grouped), in_hand_of(session, customer_id, now=now)
        since = span.start if in_hand.since is None else min(in_hand.since, span.start)
        rules = {} if plan is None else rules_of(session, plan.id, [one.id for one in subscriptions])
        if rules:  # what a period left follows from all before it
            since = min(since, *(one.started_at for one in subscriptions))
        looked = Period(since, span.end)
        actual, asked = _Side(), _Side()
        for subscription in subscriptions:
            _look(
                session, subscription, question=question, plan=plan, looked=looked, meters=meters, sides=(actual, asked)
            )
        moved = [] if plan is None else [one for one in asked.histories if one.subscription_id not in asked.stays]
        tried = carry_anew(in_hand, moved, rules, now=now)
        for side, name, held in ((actual, "actual", in_hand), (asked, "hypothetical", tried)):
            for currency, (amount, prepaid) in side.amounts(held, span).items():
                row = found.setdefault((customer_id, currency), Comparison(customer_id, currency))
                setattr(row, name, EXACT.add(getattr(row, name), amount))
                setattr(row, f"{name}_prepaid", EXACT.add(getattr(row, f"{name}_prepaid"), prepaid))
    return sorted(found.values(), key=lambda row: (row.difference, row.customer_id))


@dataclass(slots=True)
class _Side:
    """The subscriptions of a customer under some terms: what they used, and their base fees, by currency.

    Those that ``stays`` names stay on their own plan.
    """

    histories: list[History] = field(default_factory=list)
    fees: list[Fee] = field(default_factory=list)
    stays: set[str] = field(default_factory=set)

    def amounts(self, in_hand: InHand, span: Period) -> dict[str, tuple[Decimal, Decimal]]:
        """What is charged in each currency of what falls in ``span``, and what grants in money pay of that."""
        before, after = (
            pay(in_hand, self.histories, [fee for fee in self.fees if fee[1] < until], until)
            for until in (span.start, span.end)
        )
        of = {one.subscription_id: one.currency for one in self.histories}
        found = {}
        for currency in dict.fromkeys(of.values()):
            fees = sum_of(amount for name, at, amount in self.fees if at in span and of[name] == currency)
            usage = EXACT.subtract(after.charged[currency], before.charged[currency])
            prepaid = EXACT.subtract(after.prepaid.get(currency, _NOTHING), before.prepaid.get(currency, _NOTHING))
            found[currency] = EXACT.add(usage, fees), prepaid
        return found


def _look(
    session: Session,
    subscription: Subscription,
    *,
    question: Question,
    plan: Plan | None,
    looked: Period,
    meters: Mapping[str, ActiveMeter],
    sides: tuple[_Side, _Side],
) -> None:
    """Read a subscription's usage of the span and of the time before it that wallets paid for, once for both sides."""
    counted = {name: meter.definitions[0][1] for name, meter in meters.items()}
    line = timelines_of(session, [subscription.id])[subscription.id]
    stays = plan is not None and plan.currency != session.get_one(Plan, subscription.plan_id).currency
    other = line if plan is None or stays else _other(line, subscription, plan)
    plans = plans_by_id(session, {t.plan_id for t in (*line.terms, *other.terms)})
    quotas = quotas_of(session, plans, subscription_ids=[subscription.id])
    fees = fees_of(session, plans, subscription_ids=[subscription.id])
    since = min(_since(line, looked), _since(other, looked))
    events = events_of(session, subscription.id, Period(since, looked.end), line=line, meters=meters)
    frozen = frozen_allowances(session, subscription.id)
    actual, asked = sides
    asked.stays |= {subscription.id} if stays else set()
    for side, timeline, prices, kept in ((actual, line, {}, frozen), (asked, other, question.prices, {})):
        currency = plans[timeline.terms[-1].plan_id].currency
        holds = {} if stays else prices
        begins = _since(timeline, looked)
        side.histories.append(
            History(subscription.id, timeline, quotas, events, holds, currency, begins, kept, counted)
        )
        side.fees += _fees(timeline, fees, subscription.id, currency, looked)


def _meters(session: Session, question: Question) -> dict[str, ActiveMeter]:
    meters = active_meters(session)
    for name, price in question.prices.items():
        model = stored_price(price).model
        if isinstance(model, ByDimension):
            known = meters[name].definitions if name in meters else ()
            check_named(known, model, name, since=question.start, pointer=f"/price/{name}")
        if name in meters and model.counts_recordings:
            message = f"{name} is a meter, and this price charges recordings one by one"
            raise InvalidInput.field(f"/price/{name}", message, code="not_supported")
    return meters


def _since(timeline: Timeline, span: Period) -> datetime:
    """Where the first billing period begins that ``span`` is in, whichever plan's that is."""
    cadences = {term.terms.cadence for term in timeline.terms}
    return min(period_at(span.start, zone=timeline.zone, cadence=cadence).start for cadence in cadences)


def _subscriptions(session: Session, question: Question) -> Iterator[Subscription]:
    statement = (
        select(Subscription)
        .where(Subscription.started_at < question.end)
        .order_by(Subscription.customer_id, Subscription.id)
    )
    if question.customer_id is not None:
        statement = statement.where(Subscription.customer_id == question.customer_id)
    return iter(session.scalars(statement.execution_options(yield_per=_AT_A_TIME)))


def _other(line: Timeline, subscription: Subscription, plan: Plan) -> Timeline:
    """The timeline of ``subscription`` as if it had been on ``plan`` whenever it ran."""
    terms = terms_on(plan, subscription)
    moved: list[Term] = []
    for term in (replace(term, plan_id=plan.id, terms=terms) for term in line.terms):
        if moved and not term.paused and not moved[-1].paused and moved[-1].ends_at == term.starts_at:
            moved[-1] = replace(moved[-1], ends_at=term.ends_at)
        else:
            moved.append(term)
    # As if it were subscribed now: the plan's first prices hold for all of it.
    return Timeline(line.zone, moved, datetime.max.replace(tzinfo=UTC))


def _fees(timeline: Timeline, fees: FeeBook, subscription_id: str, currency: str, span: Period) -> Iterator[Fee]:
    for segment in _segments(timeline, span):
        for part, version in fee_parts(timeline, fees, subscription_id, segment):
            if version is not None and version.base_fee is not None and part.start in span:
                yield subscription_id, part.start, part.part_of(version.base_fee, places=minor_unit(currency))


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
