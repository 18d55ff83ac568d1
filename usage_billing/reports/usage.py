"""Usage as it is shown: used, allowed, left, beyond and its cost; read from running totals, never from events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named, quotas_of
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.decimals import EXACT
from usage_billing.core.periods import period_at
from usage_billing.core.spans import Span
from usage_billing.customers.queries import get_customer
from usage_billing.metering.queries import PeriodTotal, totals_of
from usage_billing.metering.split import beyond
from usage_billing.rating.engine import amount_for
from usage_billing.subscriptions.agreement import agreed_at
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import Contract, contracts_of

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """The usage of one type by one subscription in one period. With ``limit`` None it is never charged."""

    subscription_id: str
    usage_type: str
    unit_name: str
    has_quota: bool
    used: Decimal
    limit: Decimal | None
    remaining: Decimal | None
    overage: Decimal
    estimated_charge: Decimal
    currency: str
    period_start: datetime
    period_end: datetime


def usage_of_customer(session: Session, customer_id: str, *, now: datetime, span: Span | None) -> list[UsageLine]:
    """The usage of every subscription of a customer, in the present period or in those that overlap ``span``.

    Raises NotFound.
    """
    contracts = contracts_of(session, customer_id)
    if not contracts:
        get_customer(session, customer_id)
    return usage_under(session, contracts, now=now, span=span)


def usage_under(
    session: Session, contracts: Sequence[Contract], *, now: datetime, span: Span | None
) -> list[UsageLine]:
    """The lines of these subscriptions, ordered by subscription, period and usage type.

    For the present period they list every type with a quota, used or not; for other periods the types that were used.
    """
    if not contracts:
        return []
    plans = {term.plan_id for contract in contracts for term in contract.timeline.terms}
    quotas = quotas_of(session, plans, subscription_ids=[contract.id for contract in contracts])
    spans = {contract.id: span or _present_period(contract.timeline, now) for contract in contracts}
    found: dict[str, list[PeriodTotal]] = {contract.id: [] for contract in contracts}
    for counted in totals_of(session, spans):
        found[counted.subscription_id].append(counted)
    lines: list[UsageLine] = []
    for contract in contracts:
        listed = found[contract.id]
        if span is None:
            begun = _begun(contract.timeline, spans[contract.id], now)
            listed += _unused(session, listed, contract=contract, quotas=quotas, at=begun)
        listed.sort(key=lambda counted: (counted.period_start, counted.usage_type))
        lines += [_line(counted, contract, quotas) for counted in listed]
    return lines


def _present_period(timeline: Timeline, now: datetime) -> Span:
    """The whole billing period at ``now``, on the calendar of the term in force or else of the last one."""
    term = timeline.term_at(now) or timeline.terms[-1]
    period = period_at(now, zone=timeline.zone, cadence=term.terms.cadence)
    return Span(start=period.start, end=period.end)


def _begun(timeline: Timeline, present: Span, now: datetime) -> datetime:
    """``now``, or the beginning of a subscription that begins later in the present period."""
    begins = timeline.terms[0].starts_at
    return begins if now < begins and (present.end is None or begins < present.end) else now


def _unused(
    session: Session, used: Sequence[PeriodTotal], *, contract: Contract, quotas: QuotaBook, at: datetime
) -> list[PeriodTotal]:
    """Lines with no usage: for every other type that has a quota in the segment that holds ``at``."""
    running = contract.timeline.segment_at(at)
    if running is None:
        return []
    known = {(counted.period_start, counted.usage_type) for counted in used}
    unused: list[PeriodTotal] = []
    for usage_type in quotas.usage_types_of(running.plan_id, contract.id):
        agreed = agreed_at(contract.timeline, quotas, contract.id, usage_type, at)
        if agreed is None or (agreed.segment.start, usage_type) in known:
            continue
        # A quota for this subscription alone, made in this period for a type that the plan has no quota for, is not in
        # force yet.
        unit = (agreed.quota or get_named(session, UsageType, usage_type)).unit_name
        unused.append(PeriodTotal(contract.id, usage_type, unit, agreed.segment.start, agreed.segment.end, _NOTHING, 0))
    return unused


def _line(counted: PeriodTotal, contract: Contract, quotas: QuotaBook) -> UsageLine:
    """The line for ``counted``, by the quota in force in its segment and the part of its limit that falls to it."""
    agreed = agreed_at(contract.timeline, quotas, contract.id, counted.usage_type, counted.period_start)
    quota, limit = (None, None) if agreed is None else (agreed.quota, agreed.allowance)
    overage = beyond(counted.total, limit)
    charge = _NOTHING
    if quota is not None and limit is not None:
        charge = amount_for(quota.price, overage, recordings=counted.beyond_events, currency=contract.currency)
    return UsageLine(
        subscription_id=contract.id,
        usage_type=counted.usage_type,
        unit_name=quota.unit_name if quota else counted.unit_name,
        has_quota=quota is not None,
        used=counted.total,
        limit=limit,
        remaining=None if limit is None else max(EXACT.subtract(limit, counted.total), _NOTHING),
        overage=overage,
        estimated_charge=charge,
        currency=contract.currency,
        period_start=counted.period_start,
        period_end=counted.period_end,
    )
