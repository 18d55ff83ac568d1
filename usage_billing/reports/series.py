"""Usage over time: what a meter counted in each window, by dimensions, for one subscription or a customer's all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.decimals import EXACT, plain, sum_of
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.periods import Period, is_time_zone, period_at
from usage_billing.meters.definition import Definition
from usage_billing.meters.queries import ActiveMeter, active_meters
from usage_billing.meters.series import MAX_TAIL, LeftToCount, WindowSum, left_to_count, stored_sums, tail_sums
from usage_billing.meters.stretches import minutes_within
from usage_billing.meters.windows import BY, windows_of
from usage_billing.subscriptions.queries import Contract

MAX_NUMBERS = 10_000
_NOTHING = Decimal(0)
_LUMPED = ("other",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRequest:
    """What is asked. Without ``start`` and ``end`` the present billing period, without ``zone`` the subscription's.

    ``dimensions`` has the values that are wanted, by name of a dimension. ``top`` series are shown, the rest is one.
    """

    usage_type: str
    start: datetime | None = None
    end: datetime | None = None
    by: str = "day"
    zone: str | None = None
    group_by: Sequence[str] = ()
    dimensions: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    top: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window; ``complete`` once it is over."""

    start: datetime
    end: datetime
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a series came to in each window, and in all of them."""

    dimensions: Mapping[str, Any]
    values: list[Decimal]

    @property
    def total(self) -> Decimal:
        """All windows together."""
        return sum_of(self.values)

    @property
    def texts(self) -> list[str]:
        """The values as they are shown."""
        return [plain(value) for value in self.values]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSeries:
    """The answer, without ``behind`` recordings. ``other``: what ``top`` left out, and what was lumped."""

    usage_type: str
    unit_name: str
    aggregation: str
    timezone: str
    start: datetime
    end: datetime
    as_of: datetime
    behind: int
    windows: list[Window]
    series: list[Series]
    other: Series
    total: Decimal


def usage_series(
    session: Session, contracts: Sequence[Contract], asked: SeriesRequest, *, now: datetime
) -> UsageSeries:
    """Count ``asked`` over these subscriptions, of which there is at least one.

    Raises Conflict for a usage type that is no meter; InvalidInput for unknown dimensions, a zone whose windows cut the
    hours that are kept, and more than 10,000 numbers.
    """
    usage_type, meter = _meter_of(session, asked.usage_type)
    latest = meter.definitions[0][1]
    _check(asked, latest)
    zone = asked.zone or contracts[0].timeline.zone
    windows = _windows(asked, contracts[0], zone, now)
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [_NOTHING] * len(windows))
    shown: dict[tuple[str, ...], dict[str, Any]] = {}
    behind = 0
    for contract in contracts:
        found, left = _sums_of(session, contract, meter, windows)
        behind += left
        for one in found:
            definition = _definition_at(meter, contract, one.period_start)
            named = _named(definition, one.dimensions)
            if not _wanted(asked, named):
                continue
            dimensions = {name: named.get(name) for name in asked.group_by}
            key = _LUMPED if named == {"other": True} else tuple(map(repr, dimensions.values()))
            shown.setdefault(key, dimensions)
            values = sums[key]
            values[one.place - 1] = EXACT.add(values[one.place - 1], one.total)
    lumped = sums.pop(_LUMPED, [_NOTHING] * len(windows))
    series = sorted(
        (Series(dimensions=shown[key], values=values) for key, values in sums.items()),
        key=lambda one: (-one.total, repr(one.dimensions)),
    )
    kept = series if asked.top is None else series[: asked.top]
    if len(kept) * len(windows) > MAX_NUMBERS:
        _too_much(f"{len(kept)} series of {len(windows)} windows", f"top={max(MAX_NUMBERS // len(windows), 1)}")
    rest = [lumped, *(one.values for one in series[len(kept) :])]
    other = Series(dimensions={"other": True}, values=[sum_of(column) for column in zip(*rest, strict=True)])
    return UsageSeries(
        usage_type=usage_type.id,
        unit_name=usage_type.unit_name,
        aggregation=usage_type.aggregation,
        timezone=zone,
        start=windows[0].start,
        end=windows[-1].end,
        as_of=now,
        behind=behind,
        windows=[Window(start=one.start, end=one.end, complete=one.end <= now) for one in windows],
        series=kept,
        other=other,
        total=sum_of([*(one.total for one in kept), other.total]),
    )


def _meter_of(session: Session, usage_type_id: str) -> tuple[UsageType, ActiveMeter]:
    usage_type = session.get(UsageType, usage_type_id)
    if usage_type is None:
        raise InvalidInput.field("/usageType", f"there is no usage type {usage_type_id}", code="unknown_usage_type")
    meter = active_meters(session).get(usage_type_id)
    if meter is None:
        message = f"{usage_type_id} is no meter: only a meter knows its usage over time"
        raise Conflict(message, code="not_a_meter")
    return usage_type, meter


def _check(asked: SeriesRequest, definition: Definition) -> None:
    if asked.by not in BY:
        raise InvalidInput.field("/by", f"must be one of: {', '.join(BY)}", code="not_a_choice")
    if asked.zone is not None and not is_time_zone(asked.zone):
        raise InvalidInput.field("/timezone", "is no time zone of the IANA database", code="unknown_zone")
    names = {one.name for one in definition.dimensions}
    for pointer, given in (("/groupBy", asked.group_by), ("/dimensions", asked.dimensions)):
        for name in given:
            if name not in names:
                known = f"it has {', '.join(sorted(names))}" if names else "it has none"
                message = f"{name} is no dimension of {asked.usage_type}: {known}"
                raise InvalidInput.field(pointer, message, code="unknown")


def _windows(asked: SeriesRequest, contract: Contract, zone: str, now: datetime) -> list[Period]:
    line = contract.timeline
    term = line.term_at(now) or line.terms[-1]
    present = period_at(now, zone=line.zone, cadence=term.terms.cadence)
    start, end = asked.start or present.start, asked.end or (max(now, present.end) if asked.start else present.end)
    if end <= start:
        raise InvalidInput.field("/to", "must be after from", code="out_of_range")
    found: list[Period] = []
    for window in windows_of(start, end, by=asked.by, zone=zone):
        found.append(window)
        if len(found) > MAX_NUMBERS:
            _too_much(f"more than {MAX_NUMBERS} windows", "a shorter span, or longer windows")
    minutes = minutes_within(line.zone, found[0].start, found[-1].end)
    for edge in (*(window.start for window in found), found[-1].end):
        if int(edge.timestamp()) % (60 * minutes):
            message = f"its windows cut the hours of {line.zone}, in which usage is kept"
            raise InvalidInput.field("/timezone", message, code="zone_not_aligned")
    return found


def _sums_of(
    session: Session, contract: Contract, meter: ActiveMeter, windows: Sequence[Period]
) -> tuple[list[WindowSum], int]:
    """What is stored of a subscription, and what no fold has counted; or how many recordings are missing."""
    found = stored_sums(session, contract.id, meter.usage_type_id, windows)
    left = left_to_count(session, contract.id, meter.usage_type_id, windows, since=meter.since)
    missing = sum(one.recordings for one in left)
    if missing > MAX_TAIL:
        return found, missing
    for one in left:
        found += _tail(session, contract, meter, one, windows)
    return found, 0


def _tail(
    session: Session, contract: Contract, meter: ActiveMeter, left: LeftToCount, windows: Sequence[Period]
) -> list[WindowSum]:
    segment = contract.timeline.segment_at(left.period_start)
    ends = left.period_start if segment is None else segment.end
    return tail_sums(
        session,
        contract.id,
        _definition_at(meter, contract, left.period_start),
        left,
        windows,
        minutes=minutes_within(contract.timeline.zone, left.period_start, ends),
        since=meter.since,
        retired_at=meter.retired_at,
    )


def _definition_at(meter: ActiveMeter, contract: Contract, instant: datetime) -> Definition:
    segment = contract.timeline.segment_at(instant)
    return meter.definition_of(instant if segment is None else segment.period.start)


def _named(definition: Definition, values: Any) -> dict[str, Any]:
    """A series by the names of its dimensions; numbers as texts, so that none is ever a float."""
    if isinstance(values, dict):
        return values
    return {
        one.name: plain(Decimal(value)) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value
        for one, value in zip(definition.dimensions, values, strict=True)
    }


def _wanted(asked: SeriesRequest, named: Mapping[str, Any]) -> bool:
    return all(any(named.get(name) == value for value in values) for name, values in asked.dimensions.items())


def _too_much(what: str, fits: str) -> None:
    message = f"{what} are more than {MAX_NUMBERS} numbers: ask for {fits}"
    raise InvalidInput(message, code="too_much")
