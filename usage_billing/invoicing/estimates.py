"""The billing periods of a subscription, each usage type reckoned over all its segments, by the rules that bill."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.decimals import EXACT
from usage_billing.invoicing.by_cell import CellOfSegment, Measured
from usage_billing.invoicing.reckoning import carries_minimum, charge_period, has_cells
from usage_billing.metering.boundary import find_moves, parts_beyond
from usage_billing.metering.budget import Division, divide
from usage_billing.metering.queries import PeriodTotal
from usage_billing.metering.split import beyond
from usage_billing.meters.cells import series_of
from usage_billing.rating.engine import amount_for, stored_price
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment, agreed_period
from usage_billing.subscriptions.queries import Contract

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class SegmentOfType:
    """A segment with its running total, how that is divided, and what it is charged, with ``cells`` by dimension.

    ``covered`` units of what lies beyond were paid for beforehand.
    """

    part: AgreedSegment
    counted: PeriodTotal
    division: Division
    charge: Decimal
    bears_minimum: bool
    cells: Sequence[CellOfSegment] = ()
    covered: Decimal = _NOTHING


@dataclass(slots=True)
class PeriodOfType:
    """A billing period of one usage type. ``strays`` are summaries where no segment begins any more."""

    segments: list[SegmentOfType] = field(default_factory=list)
    strays: list[PeriodTotal] = field(default_factory=list)


def reckon(
    session: Session,
    contract: Contract,
    quotas: QuotaBook,
    counted: Sequence[PeriodTotal],
    *,
    present: datetime | None,
    covered: Mapping[int, Decimal] | None = None,
) -> Iterator[PeriodOfType]:
    """Every period that a summary of ``counted`` is in; and the one around ``present`` for each type with a quota.

    ``counted`` has the summaries of whole periods, and ``covered`` how many units of them were paid for beforehand.
    """
    strays = PeriodOfType()
    periods: dict[tuple[str, datetime, datetime], tuple[AgreedPeriod, dict[datetime, PeriodTotal]]] = {}
    for total in counted:
        agreed = agreed_period(contract.timeline, quotas, contract.id, total.usage_type, total.period_start)
        part = None if agreed is None else agreed.part_at(total.period_start)
        if agreed is None or part is None or part.start != total.period_start:
            strays.strays.append(total)
            continue
        key = (total.usage_type, agreed.period.start, agreed.period.end)
        periods.setdefault(key, (agreed, {}))[1][total.period_start] = total
    running = None if present is None else contract.timeline.segment_at(present)
    if running is not None and present is not None:
        for usage_type in quotas.usage_types_of(running.plan_id, contract.id):
            agreed = agreed_period(contract.timeline, quotas, contract.id, usage_type, present)
            if agreed is not None:
                periods.setdefault((usage_type, agreed.period.start, agreed.period.end), (agreed, {}))
    for (usage_type, _, _), (agreed, by_start) in periods.items():
        totals = [_at(session, part, by_start, usage_type) for part in agreed.parts]
        yield _reckon_one(session, contract, agreed, totals, covered or {})
    yield strays


def _at(session: Session, part: AgreedSegment, by_start: dict[datetime, PeriodTotal], usage_type: str) -> PeriodTotal:
    """The summary of a segment, or what stands for one that is not there."""
    found = by_start.get(part.start)
    if found is not None:
        return found
    unit = (part.quota or get_named(session, UsageType, usage_type)).unit_name
    return PeriodTotal(
        id=0,
        subscription_id="",
        usage_type=usage_type,
        unit_name=unit,
        period_start=part.start,
        period_end=part.end,
        total=_NOTHING,
        beyond_limit=_NOTHING,
        beyond_events=0,
        events=0,
        allowance=None,
        boundary=None,
        frozen=False,
    )


def _reckon_one(
    session: Session,
    contract: Contract,
    agreed: AgreedPeriod,
    totals: Sequence[PeriodTotal],
    covered: Mapping[int, Decimal],
) -> PeriodOfType:
    divisions = divide(agreed, [_NOTHING if total.frozen else total.total for total in totals])
    divisions = [_frozen(total) if total.frozen else one for total, one in zip(totals, divisions, strict=True)]
    paid = [min(covered.get(t.id, _NOTHING), one.beyond) for t, one in zip(totals, divisions, strict=True)]
    series = series_of(session, {t.id: agreed.period.start for t in totals if t.id}) if has_cells(agreed) else {}
    measured = [
        Measured()
        if total.frozen
        else replace(
            _measure(session, part, total, division, covered=beforehand),
            allowance=division.allowance,
            series=series.get(total.id, ()),
        )
        for part, total, division, beforehand in zip(agreed.parts, totals, divisions, paid, strict=True)
    ]
    charges = charge_period(agreed, measured, currency=contract.currency)
    found = PeriodOfType()
    for part, total, division, charge, beforehand in zip(agreed.parts, totals, divisions, charges, paid, strict=True):
        due = charge.due
        if total.frozen and part.price is not None:
            due = amount_for(part.price, division.beyond, recordings=total.beyond_events, currency=contract.currency)
        bears = carries_minimum(agreed, part)
        found.segments.append(SegmentOfType(part, total, division, due, bears, charge.cells, beforehand))
    return found


def _frozen(total: PeriodTotal) -> Division:
    """At the allowance that it has for ever."""
    over = beyond(total.total, total.allowance)
    within = total.total - over
    return Division(budget=total.allowance, before=_NOTHING, within=within, beyond=over, allowance=total.allowance)


def _measure(
    session: Session, part: AgreedSegment, total: PeriodTotal, division: Division, *, covered: Decimal
) -> Measured:
    """How many recordings lie beyond: as they are marked, or would be where billing has not seen the terms yet."""
    if not total.id:  # empty, or a level that goes on
        return Measured(EXACT.subtract(division.beyond, covered))
    (move,) = find_moves(session, [(total, division.allowance)])
    each: Sequence[Decimal] = ()
    if part.price is not None and stored_price(part.price).reads_each:
        marks = parts_beyond(session, [total.id])[total.id]
        each = [quantity for quantity in (marks | move.marks).values() if quantity]
    return Measured(EXACT.subtract(division.beyond, covered), move.beyond_events, each)
