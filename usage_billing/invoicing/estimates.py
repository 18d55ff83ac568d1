"""The billing periods of a subscription, each usage type reckoned over all its segments, by the rules that bill."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.decimals import EXACT
from usage_billing.core.giving_way import in_turns
from usage_billing.core.periods import Period
from usage_billing.invoicing.by_cell import CellOfSegment, Measured
from usage_billing.invoicing.reckoning import carries_minimum, charge_period, has_cells
from usage_billing.metering.boundary import Move, find_moves, parts_beyond
from usage_billing.metering.budget import Division, divide
from usage_billing.metering.queries import PeriodTotal
from usage_billing.metering.split import beyond
from usage_billing.meters.cells import series_of
from usage_billing.meters.level_cells import MeteredSegments
from usage_billing.rating.engine import amount_for, stored_price
from usage_billing.rating.groups import CellCharge
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment, agreed_over
from usage_billing.subscriptions.lifecycle import Segment
from usage_billing.subscriptions.queries import Contract

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class SegmentOfType:
    """A segment with its running total, how that is divided, and what it is charged, with ``cells`` by dimension.

    ``covered`` units of what lies beyond, which ``recordings`` came with, were paid for beforehand. ``rated`` is how it
    is charged with its group at a plain price. ``marks`` is what would lie beyond of recordings that are not marked so
    yet, by id.
    """

    part: AgreedSegment
    counted: PeriodTotal
    division: Division
    charge: Decimal
    bears_minimum: bool
    cells: Sequence[CellOfSegment] = ()
    covered: Decimal = _NOTHING
    recordings: int = 0
    rated: CellCharge | None = None
    marks: Mapping[UUID, Decimal] = field(default_factory=dict)

    @property
    def charged(self) -> Decimal:
        """The units beyond that are charged."""
        return EXACT.subtract(self.division.beyond, self.covered)


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
    now: datetime | None = None,
    covered: Mapping[int, Decimal] | None = None,
) -> Iterator[PeriodOfType]:
    """Every period that a summary of ``counted`` is in; and the one around ``present`` for each type with a quota.

    ``counted`` has the summaries of whole periods, with levels that go on as of ``now`` (None: as they are reckoned),
    and ``covered`` how many units of them were paid for beforehand.
    """
    strays = PeriodOfType()
    known = _Periods(contract, quotas)
    periods: dict[tuple[str, Period], tuple[AgreedPeriod, dict[datetime, PeriodTotal]]] = {}
    for total in in_turns(counted):
        agreed = known.around(total.usage_type, total.period_start)
        part = None if agreed is None else agreed.part_at(total.period_start)
        if agreed is None or part is None or part.start != total.period_start:
            strays.strays.append(total)
            continue
        periods.setdefault((total.usage_type, agreed.period), (agreed, {}))[1][total.period_start] = total
    running = None if present is None else contract.timeline.segment_at(present)
    if running is not None and present is not None:
        for usage_type in in_turns(quotas.usage_types_of(running.plan_id, contract.id)):
            agreed = known.around(usage_type, present)
            if agreed is not None:
                periods.setdefault((usage_type, agreed.period), (agreed, {}))
    for (usage_type, _), (agreed, by_start) in in_turns(periods.items()):
        totals = [_at(session, part, by_start, usage_type) for part in agreed.parts]
        yield _reckon_one(session, contract, agreed, totals, covered=covered or {}, now=now)
    yield strays


@dataclass(frozen=True, slots=True)
class _Periods:
    """The billing periods of a contract's usage types; where a period is cut by terms is found once for all types."""

    contract: Contract
    quotas: QuotaBook
    _agreed: dict[tuple[str, Period], AgreedPeriod] = field(default_factory=dict)
    _segments: dict[datetime, tuple[Period, Sequence[Segment]] | None] = field(default_factory=dict)

    def around(self, usage_type: str, instant: datetime) -> AgreedPeriod | None:
        """The period of a usage type around ``instant``; None when nothing runs then."""
        if instant not in self._segments:
            running = self.contract.timeline.segment_at(instant)
            beside = None if running is None else self.contract.timeline.segments_beside(running)
            self._segments[instant] = None if running is None or beside is None else (running.period, beside)
        place = self._segments[instant]
        if place is None:
            return None
        period, segments = place
        key = (usage_type, period)
        agreed = self._agreed.get(key)
        if agreed is None:
            line, name = self.contract.timeline, self.contract.id
            agreed = self._agreed[key] = agreed_over(line, self.quotas, name, usage_type, period, segments)
        return agreed


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
        voids=0,
    )


def _reckon_one(
    session: Session,
    contract: Contract,
    agreed: AgreedPeriod,
    totals: Sequence[PeriodTotal],
    *,
    covered: Mapping[int, Decimal],
    now: datetime | None,
) -> PeriodOfType:
    divisions = divide(agreed, [_NOTHING if total.frozen else total.total for total in totals])
    divisions = [_frozen(total) if total.frozen else one for total, one in zip(totals, divisions, strict=True)]
    paid = [min(covered.get(t.id, _NOTHING), one.beyond) for t, one in zip(totals, divisions, strict=True)]
    moves = [_move(session, total, division) for total, division in zip(totals, divisions, strict=True)]
    measured = [
        Measured() if total.frozen else _measure(session, part, total, division, covered=beforehand, move=move)
        for part, total, division, beforehand, move in zip(agreed.parts, totals, divisions, paid, moves, strict=True)
    ]
    if has_cells(agreed):
        spans = [Period(part.start, part.end) for part in agreed.parts]
        ids = [0 if total.frozen else total.id for total in totals]
        asked = MeteredSegments(contract.id, totals[0].usage_type, agreed.period.start, spans, ids)
        (series,) = series_of(session, [asked], now=now)
        measured = [replace(one, series=here) for one, here in zip(measured, series, strict=True)]
    charges = charge_period(agreed, measured, currency=contract.currency)
    found = PeriodOfType()
    for part, total, division, charge, beforehand, counts, move in zip(
        agreed.parts, totals, divisions, charges, paid, measured, moves, strict=True
    ):
        due = charge.due
        if total.frozen and part.price is not None:
            due = amount_for(part.price, division.beyond, recordings=total.beyond_events, currency=contract.currency)
        bears = carries_minimum(agreed, part)
        found.segments.append(
            SegmentOfType(
                part=part,
                counted=total,
                division=division,
                charge=due,
                bears_minimum=bears,
                cells=charge.cells,
                covered=beforehand,
                recordings=counts.recordings,
                rated=charge.charge,
                marks=move.marks,
            )
        )
    return found


def _frozen(total: PeriodTotal) -> Division:
    """At the allowance that it has for ever."""
    over = beyond(total.total, total.allowance)
    within = total.total - over
    return Division(budget=total.allowance, before=_NOTHING, within=within, beyond=over, allowance=total.allowance)


def _move(session: Session, total: PeriodTotal, division: Division) -> Move:
    """What billing would mark otherwise, where it has not seen the terms yet."""
    if total.frozen or total.id <= 0:  # at its allowance for ever; empty, a level, or what a period will come to
        return Move()
    (move,) = find_moves(session, [(total, division.allowance)])
    return move


def _measure(
    session: Session,
    part: AgreedSegment,
    total: PeriodTotal,
    division: Division,
    *,
    covered: Decimal,
    move: Move,
) -> Measured:
    """How many recordings lie beyond: as they are marked, or would be after ``move``."""
    if total.id <= 0:
        charged = EXACT.subtract(division.beyond, covered)
        return Measured(charged, total.beyond_events, allowance=division.allowance)
    each: Sequence[Decimal] = ()
    if part.price is not None and stored_price(part.price).reads_each:
        marks = parts_beyond(session, [total.id])[total.id]
        each = [quantity for quantity in (marks | move.marks).values() if quantity]
    charged = EXACT.subtract(division.beyond, covered)
    return Measured(charged, move.beyond_events, each, division.allowance)
