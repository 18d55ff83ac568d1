"""Usage as it is shown: used, allowed, left, beyond and its cost; read from running totals, never from events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.core.decimals import EXACT
from usage_billing.core.periods import period_at
from usage_billing.core.spans import Span
from usage_billing.customers.queries import get_customer
from usage_billing.drawing.coverage import allocations
from usage_billing.drawing.levels import place_unstored
from usage_billing.invoicing.estimates import PeriodOfType, SegmentOfType, reckon
from usage_billing.invoicing.totals_now import overlaps, totals_now
from usage_billing.metering.queries import PeriodTotal
from usage_billing.rating.pricing.by_dimension import is_by_dimension
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import Contract, contracts_of
from usage_billing.wallets.allocation import covered_by, owed_by

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCell:
    """A cell of a price by dimension: what its series came to, its part of the allowance, and what lies beyond.

    One without a name tells what the whole adds to the cells: a discount, a minimum, a maximum.
    """

    name: str
    used: Decimal
    allowance: Decimal
    overage: Decimal
    estimated_charge: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """One usage type of one subscription in one period, or in one segment of a period that is cut.

    ``limit`` is the budget of the whole period as it stands under the segment's terms, of which ``used_before`` was
    used by earlier segments; None: nothing is ever charged. ``cells`` is None unless the price is by dimension.
    ``covered`` units of the overage were paid for beforehand, or are ``owed``: no grant paid for those yet.
    ``quota_id`` is the version of the quota it goes by.
    """

    subscription_id: str
    usage_type: str
    unit_name: str
    has_quota: bool
    used: Decimal
    used_before: Decimal
    limit: Decimal | None
    remaining: Decimal | None
    overage: Decimal
    estimated_charge: Decimal
    currency: str
    period_start: datetime
    period_end: datetime
    cells: Sequence[UsageCell] | None = None
    covered: Decimal = _NOTHING
    owed: Decimal = _NOTHING
    quota_id: int | None = None

    @property
    def paid_beforehand(self) -> Decimal:
        """What grants pay for of it, without what is owed."""
        return EXACT.subtract(self.covered, self.owed)

    @property
    def charged(self) -> Decimal:
        """What lies beyond and was neither paid for beforehand nor is owed."""
        return EXACT.subtract(self.overage, self.covered)


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
    found = totals_now(session, contracts, quotas, spans, now=now)
    books = allocations(session, {contract.customer_id for contract in contracts}, now=now)
    place_unstored((total for totals in found.values() for total in totals), books)
    covered, owed = covered_by(books), owed_by(books)
    lines: list[UsageLine] = []
    for contract in contracts:
        begun = _begun(contract.timeline, spans[contract.id], now) if span is None else None
        periods = reckon(session, contract, quotas, found[contract.id], present=begun, now=now, covered=covered)
        listed = [line for period in periods for line in _lines(period, contract, begun, owed)]
        listed = [line for line in listed if overlaps(line.period_start, line.period_end, spans[contract.id])]
        lines += sorted(listed, key=lambda line: (line.period_start, line.usage_type))
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


def _lines(
    period: PeriodOfType, contract: Contract, begun: datetime | None, owed: Mapping[int, Decimal]
) -> Iterator[UsageLine]:
    """Of each segment with a summary; and, of the present period, of the running one and those that bear a minimum."""
    for segment in period.segments:
        part = segment.part
        runs = begun is not None and part.start <= begun < part.end
        if not (
            segment.counted.id > 0
            or segment.counted.total
            or runs
            or (begun is not None and part.start <= begun and segment.bears_minimum)
        ):
            continue
        yield _line_of(segment, contract, owed=owed.get(segment.counted.id, _NOTHING))
    for counted in period.strays:
        yield _line(counted, contract)


def _line_of(segment: SegmentOfType, contract: Contract, *, owed: Decimal) -> UsageLine:
    """What was used in a segment, under the terms of that."""
    part, counted, division = segment.part, segment.counted, segment.division
    return UsageLine(
        subscription_id=contract.id,
        usage_type=counted.usage_type,
        unit_name=part.quota.unit_name if part.quota else counted.unit_name,
        has_quota=part.quota is not None,
        used=counted.total,
        used_before=division.before,
        limit=division.budget,
        remaining=division.remaining,
        overage=division.beyond,
        estimated_charge=segment.charge,
        currency=contract.currency,
        period_start=counted.period_start,
        period_end=part.end,
        cells=_cells(segment) if part.price is not None and is_by_dimension(part.price) else None,
        covered=segment.covered,
        owed=owed,
        quota_id=part.quota.id if part.quota else None,
    )


def _cells(segment: SegmentOfType) -> list[UsageCell]:
    return [
        UsageCell(
            name=cell.name,
            used=cell.total,
            allowance=cell.allowance,
            overage=cell.beyond,
            estimated_charge=cell.due,
        )
        for cell in segment.cells
    ]


def _line(counted: PeriodTotal, contract: Contract) -> UsageLine:
    """What was used, under no terms at all."""
    return UsageLine(
        subscription_id=contract.id,
        usage_type=counted.usage_type,
        unit_name=counted.unit_name,
        has_quota=False,
        used=counted.total,
        used_before=_NOTHING,
        limit=None,
        remaining=None,
        overage=_NOTHING,
        estimated_charge=_NOTHING,
        currency=contract.currency,
        period_start=counted.period_start,
        period_end=counted.period_end,
    )
