"""Prices by dimension over a billing period: what each cell is charged in each segment. Pure.

Each cell's name is charged over the period by itself, as a price without cells is. What the whole adds to its cells, a
discount, a minimum, a maximum, is charged as one quantity more: the money that the cells come to.

Source: docs/pricing.md, "By dimension".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.periods import Period
from usage_billing.metering.budget import divide
from usage_billing.rating.groups import Cell, CellCharge, charge_cells
from usage_billing.rating.price import Price
from usage_billing.rating.pricing.by_dimension import BY_LIMIT, ByDimension, share_allowance
from usage_billing.rating.pricing.cell_totals import SegmentSeries, totals_of_cells
from usage_billing.rating.pricing.priced_cell import WHOLE
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Measured:
    """What of a segment lies beyond the allowance, and in how many recordings; ``each``: how much of each of them.

    ``each`` is asked for by prices that have a rule for each recording, and empty for others. ``allowance`` is asked
    for by prices by dimension, and so is ``series`` of each segment up to the last that has such a price.
    """

    quantity: Decimal = _NOTHING
    recordings: int = 0
    each: Sequence[Decimal] = ()
    allowance: Decimal | None = None
    series: SegmentSeries = SegmentSeries()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOfSegment:
    """What a cell of a price by dimension comes to in a segment.

    The cell WHOLE has no quantity: what is charged of it is what the whole adds to the cells, by ``price`` for
    ``before_quantity``, the money that all cells come to so far.
    """

    name: str
    total: Decimal = _NOTHING
    allowance: Decimal = _NOTHING
    price: Price
    due: Decimal
    before_quantity: Decimal
    before_amount: Decimal

    @property
    def beyond(self) -> Decimal:
        """What of it lies beyond its allowance."""
        return max(_NOTHING, EXACT.subtract(self.total, self.allowance))


@dataclass(frozen=True, slots=True)
class ChargeOfSegment:
    """What a segment is charged: ``charge`` at a plain price, or else ``cells`` that charge; neither: nothing."""

    charge: CellCharge | None = None
    cells: Sequence[CellOfSegment] = ()

    @property
    def due(self) -> Decimal:
        """All of it."""
        if self.charge is not None:
            return self.charge.due
        return sum_of(cell.due for cell in self.cells)


@dataclass(frozen=True, slots=True)
class _Divided:
    """What a segment came to by cell, and the allowance of each."""

    totals: Mapping[str, Decimal]
    allowances: Mapping[str, Decimal]

    def beyond(self, name: str) -> Decimal:
        return max(_NOTHING, EXACT.subtract(self.totals[name], self.allowances[name]))


def model_of(cell: Cell) -> ByDimension | None:
    """The model of a segment's price, if that charges by dimension."""
    return cell.price.model if cell.price is not None and isinstance(cell.price.model, ByDimension) else None


def charge_by_dimension(
    agreed: AgreedPeriod, segments: Sequence[Cell], measured: Sequence[Measured], *, currency: str
) -> list[ChargeOfSegment]:
    """Each cell's name is charged over the period by itself, and then what the whole adds to its cells."""
    models = [model_of(segment) for segment in segments]
    divided = _divide_cells(agreed, models, measured)
    found: list[dict[str, CellOfSegment]] = [{} for _ in segments]
    for name in dict.fromkeys(name for model in models if model is not None for name in model.prices):
        cells = [
            replace(
                segment,
                price=None if model is None else model.prices.get(name),
                of=segment.price,
                quantity=one.beyond(name) if name in one.totals else _NOTHING,
                recordings=0,
            )
            for segment, model, one in zip(segments, models, divided, strict=True)
        ]
        for index, charge in enumerate(charge_cells(cells, currency=currency)):
            if charge is not None:
                found[index][name] = CellOfSegment(
                    name=name,
                    total=divided[index].totals[name],
                    allowance=divided[index].allowances[name],
                    price=charge.price,
                    due=charge.due,
                    before_quantity=charge.before_quantity,
                    before_amount=charge.before,
                )
    dues = [sum_of(cell.due for cell in one.values()) for one in found]
    wholes = [
        segment
        if model is None or segment.price is None
        else replace(segment, price=segment.price.of_the_whole, of=segment.price, quantity=due, recordings=0)
        for segment, model, due in zip(segments, models, dues, strict=True)
    ]
    charged: list[ChargeOfSegment] = []
    for model, charge, due, one in zip(models, charge_cells(wholes, currency=currency), dues, found, strict=True):
        if model is None:
            charged.append(ChargeOfSegment(charge))
            continue
        if charge is not None:
            one[WHOLE] = CellOfSegment(
                name=WHOLE,
                price=charge.price,
                due=EXACT.subtract(charge.due, due),
                before_quantity=EXACT.add(charge.before_quantity, due),
                before_amount=EXACT.add(charge.before, due),
            )
        charged.append(ChargeOfSegment(cells=list(one.values())))
    return charged


def _divide_cells(
    agreed: AgreedPeriod, models: Sequence[ByDimension | None], measured: Sequence[Measured]
) -> list[_Divided]:
    """The totals of each segment's cells, and how its allowance goes over them."""
    series = [one.series for one in measured]
    totals = [
        {} if model is None else totals_of_cells(model, series[:end]) for end, model in enumerate(models, start=1)
    ]
    limited = [model.limits() if model is not None and model.allowance == BY_LIMIT else {} for model in models]
    shared: list[dict[str, Decimal]] = [{} for _ in models]
    for index, model in enumerate(models):
        if model is not None and not limited[index]:
            shares = share_allowance(
                measured[index].allowance or _NOTHING, list(totals[index].values()), model.allowance
            )
            shared[index] = dict(zip(totals[index], shares, strict=True))
    for name in dict.fromkeys(name for limits in limited for name in limits):
        period = _PeriodOfCell(
            agreed.period,
            agreed.begun,
            agreed.zone,
            tuple(_PieceOfCell(part, limits.get(name)) for part, limits in zip(agreed.parts, limited, strict=True)),
        )
        used = [
            one.get(name, _NOTHING) if name in limits else _NOTHING for one, limits in zip(totals, limited, strict=True)
        ]
        for index, division in enumerate(divide(period, used)):
            if division.allowance is not None:
                shared[index][name] = division.allowance
    return [_Divided(*one) for one in zip(totals, shared, strict=True)]


@dataclass(frozen=True, slots=True)
class _PieceOfCell:
    """A segment as one cell has it: with the cell's limit, None where the price has no such cell."""

    part: AgreedSegment
    limit: Decimal | None

    @property
    def start(self) -> datetime:
        return self.part.start

    @property
    def end(self) -> datetime:
        return self.part.end

    @property
    def plan_id(self) -> str:
        return self.part.plan_id

    @property
    def method(self) -> str:
        return self.part.method

    @property
    def prorates_edges(self) -> bool:
        return self.part.prorates_edges

    @property
    def claws_back(self) -> bool:
        return self.part.claws_back


@dataclass(frozen=True, slots=True)
class _PeriodOfCell:
    period: Period
    begun: datetime
    zone: str
    parts: tuple[_PieceOfCell, ...]
