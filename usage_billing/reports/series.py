"""Usage over time: what was counted in each window, by dimensions, for one subscription or a customer's all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.decimals import EXACT, plain, sum_of
from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Period, is_time_zone
from usage_billing.meters.definition import Definition
from usage_billing.meters.queries import ActiveMeter, counts_itself, folded_types
from usage_billing.meters.series import (
    MAX_TAIL,
    LeftToCount,
    WindowSum,
    left_to_count,
    stored_sums,
    tail_sums,
    whole_sums,
)
from usage_billing.meters.stretches import minutes_within
from usage_billing.meters.windows import FIVE_MINUTES
from usage_billing.reports.series_windows import ANEW, CHOICES, MAX_NUMBERS, PERIOD, too_much, windows_over
from usage_billing.subscriptions.queries import Contract

_NOTHING = Decimal(0)
_LUMPED = ("other",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRequest:
    """What is asked. Without ``start`` and ``end`` the present billing period, without ``zone`` the subscription's.

    ``by`` is one of CHOICES.

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
    """The answer, without ``behind`` recordings. ``other``: what ``top`` left out, and what was lumped.

    ``wants_keeping``: the recordings of the usage type are too many to be counted for each read, and are not kept by
    time yet.
    """

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
    wants_keeping: bool


def read_wanted(text: str) -> dict[str, list[str | bool | None]]:
    """The dimension values that a JSON object asks for, such as ``{"model": ["gpt", null]}``; raises InvalidInput."""
    try:
        return msgspec.json.decode(text, type=dict[str, list[str | bool | None]])
    except (ValueError, msgspec.MsgspecError):
        message = 'must be a JSON object of lists, such as {"model": ["gpt"]}; numbers are spelled as texts'
        raise InvalidInput.field("/dimensions", message, code="invalid") from None


def usage_series(
    session: Session, contracts: Sequence[Contract], asked: SeriesRequest, *, now: datetime
) -> UsageSeries:
    """Count ``asked`` over these subscriptions, of which there is at least one.

    Raises InvalidInput for unknown dimensions, windows that do not fit what is kept, and more than 10,000 numbers.
    """
    usage_type = session.get(UsageType, asked.usage_type)
    if usage_type is None:
        raise InvalidInput.field("/usageType", f"there is no usage type {asked.usage_type}", code="unknown_usage_type")
    kept_by_time = folded_types(session).get(usage_type.id)
    meter = kept_by_time or counts_itself(usage_type.id)
    _check(asked, meter.definitions[0][1])
    zone = asked.zone or contracts[0].timeline.zone
    lines = [contract.timeline for contract in contracts]
    windows = windows_over(lines, start=asked.start, end=asked.end, by=asked.by, zone=zone, now=now)
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [_NOTHING] * len(windows))
    shown: dict[tuple[str, ...], dict[str, Any]] = {}
    behind = 0
    for contract in contracts:
        found, left = _sums_of(session, contract, meter, windows, by=asked.by)
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
        too_much(f"{len(kept)} series of {len(windows)} windows", f"top={max(MAX_NUMBERS // len(windows), 1)}")
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
        wants_keeping=behind > 0 and kept_by_time is None,
    )


def _check(asked: SeriesRequest, definition: Definition) -> None:
    if asked.by not in CHOICES:
        raise InvalidInput.field("/by", f"must be one of: {', '.join(CHOICES)}", code="not_a_choice")
    if asked.by == PERIOD and asked.zone is not None:
        message = "billing periods begin in the subscription's time zone: leave timezone out"
        raise InvalidInput.field("/timezone", message, code="contradiction")
    if asked.zone is not None and not is_time_zone(asked.zone):
        raise InvalidInput.field("/timezone", "is no time zone of the IANA database", code="unknown_zone")
    names = {one.name for one in definition.dimensions}
    for pointer, given in (("/groupBy", asked.group_by), ("/dimensions", asked.dimensions)):
        for name in given:
            if name not in names:
                known = f"it has {', '.join(sorted(names))}" if names else "it has none"
                message = f"{name} is no dimension of {asked.usage_type}: {known}"
                raise InvalidInput.field(pointer, message, code="unknown")


def _sums_of(
    session: Session, contract: Contract, meter: ActiveMeter, windows: Sequence[Period], *, by: str
) -> tuple[list[WindowSum], int]:
    """What is stored of a subscription, and what no fold has counted; or how many recordings are missing."""
    if by == PERIOD and meter.of is None:
        return whole_sums(session, contract.id, meter.usage_type_id, windows), 0
    anew = by == ANEW
    found = [] if anew else stored_sums(session, contract.id, meter.usage_type_id, windows)
    left = left_to_count(session, contract.id, meter, windows, anew=anew)
    missing = sum(one.recordings for one in left)
    if missing > MAX_TAIL and anew:
        message = f"usage is kept by the hour, and {missing} recordings are more than {MAX_TAIL} to be counted anew"
        raise InvalidInput.field("/by", message, code="too_fine")
    if missing > MAX_TAIL:
        return found, missing
    for one in left:
        found += _tail(session, contract, meter, one, windows, anew=anew)
    return found, 0


def _tail(
    session: Session,
    contract: Contract,
    meter: ActiveMeter,
    left: LeftToCount,
    windows: Sequence[Period],
    *,
    anew: bool,
) -> list[WindowSum]:
    segment = contract.timeline.segment_at(left.period_start)
    ends = left.period_start if segment is None else segment.end
    minutes = minutes_within(contract.timeline.zone, left.period_start, ends)
    return tail_sums(
        session,
        contract.id,
        _definition_at(meter, contract, left.period_start),
        left,
        windows,
        meter=meter,
        minutes=FIVE_MINUTES // timedelta(minutes=1) if anew else minutes,
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
