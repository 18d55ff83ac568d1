"""How much dearer recorded usage becomes by a change of a quota, reckoned period by period by the rules that bill."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.periods import period_at
from usage_billing.core.spans import Span
from usage_billing.flows.administration.cut_usage import cut_charges
from usage_billing.flows.administration.effect import Scope
from usage_billing.flows.billing.marks import Marks
from usage_billing.invoicing.estimates import reckon
from usage_billing.metering.queries import PeriodTotal, totals_of
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import Contract, contracts_by_id

Alter = Callable[[QuotaBook], QuotaBook]
"""The book as it would be with what is looked at."""

_AT_A_TIME = 500
_NOTHING = Decimal(0)
_USERS = text("""
    SELECT DISTINCT s.subscription_id
    FROM usage_summaries AS s
    JOIN subscription_terms AS t ON t.subscription_id = s.subscription_id
    WHERE s.usage_type_id = :type
        AND s.bills_at > :since
        AND s.events > s.voids
        AND CASE WHEN CAST(:own AS text) IS NULL THEN t.plan_id = :plan ELSE s.subscription_id = :own END
    ORDER BY 1
""")


def dearer_by(
    session: Session,
    scope: Scope,
    *,
    since: datetime,
    alter: Alter,
    cut: datetime | None = None,
    known: Marks | None = None,
) -> Decimal:
    """How much more recorded usage costs, in periods that bill after ``since``, in the plan's currency.

    What becomes cheaper is not set against it, and usage that had no price before does not become dearer. Of the period
    around ``cut`` the recordings are reckoned one by one, each by what would hold when it occurred. Subscriptions that
    are as they were when they were ``known`` to cost no more are passed over.
    """
    found = list(session.scalars(_USERS, scope.asked(since)))
    found = found if known is None else known.changed(session, found)
    slices = (found[start : start + _AT_A_TIME] for start in range(0, len(found), _AT_A_TIME))
    return sum_of(_dearer(session, scope, ids, since, alter, cut) for ids in slices)


def _dearer(
    session: Session, scope: Scope, ids: Sequence[str], since: datetime, alter: Alter, cut: datetime | None
) -> Decimal:
    contracts = contracts_by_id(session, ids)
    plans = {term.plan_id for contract in contracts for term in contract.timeline.terms}
    book = quotas_of(session, plans, subscription_ids=ids)
    spans = {contract.id: Span(start=_period_start(contract.timeline, since), end=None) for contract in contracts}
    counted: dict[str, list[PeriodTotal]] = {id: [] for id in ids}
    for total in totals_of(session, spans):
        if total.usage_type == scope.usage_type:
            counted[total.subscription_id].append(total)
    altered, more = alter(book), _NOTHING
    for contract in contracts:
        totals = counted[contract.id]
        old, new = (_charges(session, contract, quotas, totals) for quotas in (book, altered))
        if cut is not None:
            old |= cut_charges(session, contract, book, totals, cut)
            new |= cut_charges(session, contract, altered, totals, cut)
        for period, (charge, _) in new.items():
            was, priced = old.get(period, (_NOTHING, False))
            if priced and charge > was:
                more = EXACT.add(more, EXACT.subtract(charge, was))
    return more


_Charges = dict[datetime, tuple[Decimal, bool]]


def _charges(session: Session, contract: Contract, book: QuotaBook, counted: Sequence[PeriodTotal]) -> _Charges:
    """By the start of each billing period: what it is charged, and whether its usage has a price."""
    return {
        period.segments[0].part.segment.period.start: (
            sum_of(segment.charge for segment in period.segments),
            any(segment.part.quota is not None for segment in period.segments),
        )
        for period in reckon(session, contract, book, counted, present=None)
        if period.segments
    }


def _period_start(timeline: Timeline, instant: datetime) -> datetime:
    """Where the earliest billing period begins that ``instant`` is in, whichever plan's that is."""
    cadences = {term.terms.cadence for term in timeline.terms}
    return min(period_at(instant, zone=timeline.zone, cadence=cadence).start for cadence in cadences)
