"""Usage over time: what was counted in each window, by dimensions, for one subscription or a customer's all."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.core.giving_way import in_turns
from usage_billing.core.periods import Period, is_time_zone
from usage_billing.meters.definition import DISTINCT, Definition, Function
from usage_billing.meters.queries import ActiveMeter, counts_itself, folded_type
from usage_billing.reports.level_states import levels_in
from usage_billing.reports.piles import LevelWindows, Pile
from usage_billing.reports.seen_windows import seen_in
from usage_billing.reports.series_pieces import pieces_of
from usage_billing.reports.series_states import definition_at, states_in, values_in
from usage_billing.reports.series_windows import CHOICES, MAX_NUMBERS, PERIOD, too_much, windows_over
from usage_billing.subscriptions.queries import Contract

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
    values: list[Decimal | None]
    total: Decimal | None

    @property
    def texts(self) -> list[str | None]:
        """The values as they are shown."""
        return [None if value is None else plain(value) for value in self.values]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSeries:
    """The answer, without ``behind`` recordings. ``other``: what ``top`` left out, and what was lumped.

    ``whole`` is what all series come to in each window; only of sums and counts is it the sum of theirs.
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
    whole: list[Decimal | None]
    total: Decimal | None
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
    known = folded_type(session, asked.usage_type)
    if known is None:
        raise InvalidInput.field("/usageType", f"there is no usage type {asked.usage_type}", code="unknown_usage_type")
    usage_type, kept_by_time = known
    meter = kept_by_time or counts_itself(usage_type.id)
    _check(asked, meter.definitions[0][1])
    zone = asked.zone or contracts[0].timeline.zone
    lines = [contract.timeline for contract in contracts]
    windows = windows_over(lines, start=asked.start, end=asked.end, by=asked.by, zone=zone, now=now)
    is_seen = meter.level == DISTINCT
    course = None if meter.level is None or is_seen else LevelWindows(meter.level.per, windows, now)
    pieces = None if meter.windowing is None else pieces_of(meter.windowing, lines, windows)
    cut = windows if pieces is None else pieces.pieces
    new_pile = partial(Pile, meter.function, course, pieces)
    piles: dict[tuple[str, ...], Pile] = defaultdict(new_pile)
    shown: dict[tuple[str, ...], dict[str, Any]] = {}
    behind = 0

    def pile_of(named: dict[str, Any]) -> Pile | None:
        if not _wanted(asked, named):
            return None
        dimensions = {name: named.get(name) for name in asked.group_by}
        key = _LUMPED if named == {"other": True} else tuple(map(repr, dimensions.values()))
        shown.setdefault(key, dimensions)
        return piles[key]

    for contract in contracts:
        if is_seen:
            for seen in seen_in(session, contract, meter, windows, now=now):
                if (pile := pile_of(_named(seen.definition, seen.dimensions))) is not None:
                    pile.stand(seen.digest, seen.runs)
            continue
        if meter.function == Function.UNIQUE_COUNT:
            for definition, told in values_in(session, contract, meter, cut):
                if (pile := pile_of(_named(definition, told.dimensions))) is not None:
                    pile.tell(told.place, told.digest)
            continue
        if meter.level is not None:
            found, left = levels_in(session, contract, meter, windows, by=asked.by, now=now)
        else:
            found, left = states_in(session, contract, meter, cut, by=asked.by)
        behind += left
        definitions = {since: definition_at(meter, contract, since) for since in {one.period_start for one in found}}
        for one in in_turns(found):
            if (pile := pile_of(_named(definitions[one.period_start], one.dimensions))) is not None:
                pile.add(one.place, one.state)
    return _answer(
        asked, usage_type, piles, shown, windows, new_pile, zone=zone, behind=behind, now=now, kept=kept_by_time
    )


def _answer(
    asked: SeriesRequest,
    usage_type: UsageType,
    piles: dict[tuple[str, ...], Pile],
    shown: Mapping[tuple[str, ...], dict[str, Any]],
    windows: Sequence[Period],
    new_pile: Callable[[], Pile],
    *,
    zone: str,
    behind: int,
    now: datetime,
    kept: ActiveMeter | None,
) -> UsageSeries:
    number = len(windows)
    other = piles.pop(_LUMPED, new_pile())
    whole = new_pile()
    whole.add_all([other, *piles.values()])
    totals = {key: pile.total for key, pile in piles.items()}
    order = sorted(piles, key=lambda key: (totals[key] is None, -(totals[key] or 0), repr(shown[key])))
    listed = order if asked.top is None else order[: asked.top]
    if len(listed) * number > MAX_NUMBERS:
        too_much(f"{len(listed)} series of {number} windows", f"top={max(MAX_NUMBERS // number, 1)}")
    other.add_all([piles[key] for key in order[len(listed) :]])
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
        series=[Series(dimensions=shown[key], values=piles[key].values(number), total=totals[key]) for key in listed],
        other=Series(dimensions={"other": True}, values=other.values(number), total=other.total),
        whole=whole.values(number),
        total=whole.total,
        wants_keeping=behind > 0 and kept is None,
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
