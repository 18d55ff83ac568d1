"""What the summaries of periods that are cut are charged on: all segments of a period, reckoned together.

A summary that is its whole period is charged by its own total at its quota's price, and needs nothing of this, unless
the price has a rule for each recording.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.periods import Period
from usage_billing.invoicing.builder import Basis
from usage_billing.invoicing.by_cell import CellOfSegment, Measured
from usage_billing.invoicing.reckoning import charge_period, has_cells
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.meters.level_cells import MeteredSegments
from usage_billing.rating.engine import stored_price
from usage_billing.rating.groups import CellCharge
from usage_billing.rating.pricing.by_dimension import is_by_dimension
from usage_billing.rating.pricing.cell_totals import SegmentSeries
from usage_billing.subscriptions.agreement import AgreedPeriod

ReadParts = Callable[[Sequence[UnratedSummary]], Mapping[int, Sequence[Decimal]]]
"""How much of each recording of these summaries lies beyond, in the order recorded, by summary id."""

ReadSeries = Callable[[Sequence[MeteredSegments]], Sequence[Sequence[SegmentSeries]]]
"""What each series came to in each segment of each of these billing periods of meters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCharged:
    """What of a summary a cell of its price charges: the cell's total, its allowance, and what it is charged on."""

    name: str
    total: Decimal
    allowance: Decimal
    beyond: Decimal
    basis: Basis


@dataclass(slots=True)
class Bases:
    """What summaries are charged on, by id: those that have a ``whole`` basis, and the cells of those by dimension."""

    whole: dict[int, Basis] = field(default_factory=dict)
    cells: dict[int, list[CellCharged]] = field(default_factory=dict)


@dataclass(slots=True)
class _Period:
    agreed: AgreedPeriod
    currency: str
    summaries: dict[datetime, UnratedSummary] = field(default_factory=dict)


def bases_of(
    summaries: Sequence[UnratedSummary],
    periods: Mapping[int, AgreedPeriod | None],
    currencies: Mapping[str, str],
    *,
    parts: ReadParts,
    series: ReadSeries,
) -> Bases:
    """What these summaries are charged on; ``periods`` are those they are in, by summary id."""
    found: dict[tuple[str, str, Period], _Period] = {}
    alone: list[_Period] = []
    for summary in summaries:
        agreed = periods.get(summary.id)
        # A frozen one is charged as it always was, by itself.
        if agreed is None or summary.frozen or (agreed.is_whole and not _looks_inside(agreed)):
            continue
        currency = currencies[summary.subscription_id]
        if agreed.is_whole:
            alone.append(_Period(agreed, currency, {summary.period_start: summary}))
        else:
            key = (summary.subscription_id, summary.usage_type_id, agreed.period)
            found.setdefault(key, _Period(agreed, currency)).summaries[summary.period_start] = summary
    bases = Bases()
    for period in (*found.values(), *alone):
        _reckon(period, parts, series, bases)
    return bases


def _looks_inside(agreed: AgreedPeriod) -> bool:
    return _reads_each(agreed) or has_cells(agreed)


def _reads_each(agreed: AgreedPeriod) -> bool:
    return any(part.price is not None and stored_price(part.price).reads_each for part in agreed.parts)


def _reckon(period: _Period, parts: ReadParts, series: ReadSeries, bases: Bases) -> None:
    agreed = period.agreed
    here = [period.summaries.get(part.start) for part in agreed.parts]
    each = parts(list(period.summaries.values())) if _reads_each(agreed) else {}
    measured = [
        Measured()
        if summary is None
        else Measured(summary.billable, summary.beyond_events, each.get(summary.id, ()), summary.allowance)
        for summary in here
    ]
    if has_cells(agreed):
        (counted,) = series([_segments_of(period, here)])
        measured = [replace(one, series=found) for one, found in zip(measured, counted, strict=True)]
    charges = charge_period(agreed, measured, currency=period.currency)
    for summary, found, part in zip(here, charges, agreed.parts, strict=True):
        if summary is None or part.price is None:
            continue
        if found.charge is not None:
            bases.whole[summary.id] = _basis(found.charge, part.price)
        if is_by_dimension(part.price):
            bases.cells[summary.id] = [_cell(cell) for cell in found.cells]


def _segments_of(period: _Period, here: Sequence[UnratedSummary | None]) -> MeteredSegments:
    agreed, any_of_them = period.agreed, next(iter(period.summaries.values()))
    return MeteredSegments(
        any_of_them.subscription_id,
        any_of_them.usage_type_id,
        agreed.period.start,
        [Period(part.start, part.end) for part in agreed.parts],
        [0 if summary is None else summary.id for summary in here],
    )


def _cell(cell: CellOfSegment) -> CellCharged:
    return CellCharged(
        name=cell.name,
        total=cell.total,
        allowance=cell.allowance,
        beyond=cell.beyond,
        basis=Basis(
            due=cell.due,
            price=cell.price.fields(),
            before_quantity=cell.before_quantity,
            before_amount=cell.before_amount,
        ),
    )


def _basis(charge: CellCharge, price: Mapping[str, Any]) -> Basis:
    as_it_is = charge.price == stored_price(price)
    return Basis(
        due=charge.due,
        price=price if as_it_is else charge.price.fields(),
        before_quantity=charge.before_quantity,
        before_recordings=charge.before_recordings,
        before_amount=charge.before,
    )
