"""Usage over time: what was counted in each window, by dimensions, for one subscription or a customer's all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Period, is_time_zone
from usage_billing.db.session import Reader
from usage_billing.meters.definition import DISTINCT, Definition, Function
from usage_billing.meters.folded import FoldedType, folded_type
from usage_billing.meters.queries import ActiveMeter, counts_itself
from usage_billing.meters.series import MAX_PLAIN
from usage_billing.meters.stored import WindowState, stored_and_left
from usage_billing.reports.level_states import levels_in
from usage_billing.reports.piles import LevelWindows, Pile
from usage_billing.reports.seen_windows import seen_in
from usage_billing.reports.series_agreed import STILL_AGREED, Agreed
from usage_billing.reports.series_pieces import pieces_of
from usage_billing.reports.series_piles import LUMPED, Piles
from usage_billing.reports.series_states import definition_at, reads_stored, states_in, values_in
from usage_billing.reports.series_windows import CHOICES, MAX_NUMBERS, PERIOD, too_much, windows_over
from usage_billing.subscriptions.queries import Contract


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


class Window(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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

    ``everything`` is what all series pile up together.
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
    total: Decimal | None
    wants_keeping: bool
    everything: Pile

    @property
    def whole(self) -> list[Decimal | None]:
        """What all series come to in each window; only of sums and counts is it the sum of theirs."""
        return self.everything.values(len(self.windows))


def read_wanted(text: str) -> dict[str, list[str | bool | None]]:
    """The dimension values that a JSON object asks for, such as ``{"model": ["gpt", null]}``; raises InvalidInput."""
    try:
        return msgspec.json.decode(text, type=dict[str, list[str | bool | None]])
    except (ValueError, msgspec.MsgspecError):
        message = 'must be a JSON object of lists, such as {"model": ["gpt"]}; numbers are spelled as texts'
        raise InvalidInput.field("/dimensions", message, code="invalid") from None


def usage_series(
    session: Session, contracts: Sequence[Contract], asked: SeriesRequest, *, now: datetime, most: int = MAX_PLAIN
) -> UsageSeries:
    """What ``series_of`` says of the usage type that ``asked`` names; raises InvalidInput as that does."""
    return series_of(session, contracts, folded_type(session, asked.usage_type), asked, now=now, most=most)


def series_of(
    session: Session,
    contracts: Sequence[Contract],
    usage_type: FoldedType | None,
    asked: SeriesRequest,
    *,
    now: datetime,
    most: int = MAX_PLAIN,
) -> UsageSeries:
    """Count what is ``asked`` of a usage type over these subscriptions, of which there is at least one.

    If the usage type is plain, up to ``most`` recordings are counted that no fold has counted.

    Raises InvalidInput for a usage type or dimensions that there are not, windows that do not fit what is kept, and
    more than 10,000 numbers.
    """
    begun = _begin(contracts, usage_type, asked, now=now)
    meter, windows, behind, is_much = begun.meter, begun.windows, 0, False
    for contract in contracts:
        if meter.level == DISTINCT:
            begun.piles.stand(seen_in(session, contract, meter, windows, now=now))
        elif meter.function == Function.UNIQUE_COUNT:
            begun.piles.tell(values_in(session, contract, meter, begun.cut))
        else:
            if meter.level is not None:
                found, left = levels_in(session, contract, meter, windows, by=asked.by, now=now)
            else:
                found, left, much = states_in(
                    session, contract, meter, begun.cut, by=asked.by, most=most // len(contracts)
                )
                is_much = is_much or much
            behind += left
            begun.pile(contract, found)
    return _answer(begun, asked, behind=behind, is_much=is_much, now=now)


def series_at_once(reader: Reader, agreed: Agreed, asked: SeriesRequest, *, now: datetime) -> UsageSeries | None:
    """What ``series_of`` says of a subscription, by one statement, in which all of it is seen at one moment.

    None if the statement sees that something agreed is another by now, or it takes more than one.
    """
    begun = _begin(agreed.contracts, agreed.usage_type, asked, now=now)
    [contract] = agreed.contracts
    if not reads_stored(begun.meter, by=asked.by):
        return None
    beside = {"id": contract.id, "usage_type": begun.usage_type.id, "seen": agreed.seen}
    found = stored_and_left(reader, contract.id, begun.meter, begun.cut, condition=STILL_AGREED, **beside)
    if found.left or not found.holds:
        return None
    begun.pile(contract, found.states)
    return _answer(begun, asked, behind=0, is_much=False, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """What is to be counted: which windows, by which pieces of them it is ``cut``, and onto which piles it goes."""

    usage_type: FoldedType
    meter: ActiveMeter
    zone: str
    windows: Sequence[Period]
    cut: Sequence[Period]
    piles: Piles

    def pile(self, contract: Contract, found: Sequence[WindowState]) -> None:
        """Pile up what was found of a subscription."""
        self.piles.add(found, cache(partial(definition_at, self.meter, contract)))


def _begin(
    contracts: Sequence[Contract], usage_type: FoldedType | None, asked: SeriesRequest, *, now: datetime
) -> _Begun:
    if usage_type is None:
        raise InvalidInput.field("/usageType", f"there is no usage type {asked.usage_type}", code="unknown_usage_type")
    meter = usage_type.meter or counts_itself(usage_type.id)
    _check(asked, meter.definitions[0][1])
    zone = asked.zone or contracts[0].timeline.zone
    lines = [contract.timeline for contract in contracts]
    windows = windows_over(lines, start=asked.start, end=asked.end, by=asked.by, zone=zone, now=now)
    course = None if meter.level is None or meter.level == DISTINCT else LevelWindows(meter.level.per, windows, now)
    pieces = None if meter.windowing is None else pieces_of(meter.windowing, lines, windows)
    piles = Piles(partial(Pile, meter.function, course, pieces), group_by=asked.group_by, wanted=asked.dimensions)
    cut = windows if pieces is None else pieces.pieces
    return _Begun(usage_type=usage_type, meter=meter, zone=zone, windows=windows, cut=cut, piles=piles)


def _answer(begun: _Begun, asked: SeriesRequest, *, behind: int, is_much: bool, now: datetime) -> UsageSeries:
    found, windows, usage_type = begun.piles, begun.windows, begun.usage_type
    number, piles, shown = len(windows), found.by_key, found.shown
    other = piles.pop(LUMPED, found.new())
    whole = found.new()
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
        timezone=begun.zone,
        start=windows[0].start,
        end=windows[-1].end,
        as_of=now,
        behind=behind,
        windows=[Window(start=one.start, end=one.end, complete=one.end <= now) for one in windows],
        series=[Series(dimensions=shown[key], values=piles[key].values(number), total=totals[key]) for key in listed],
        other=Series(dimensions={"other": True}, values=other.values(number), total=other.total),
        total=whole.total,
        wants_keeping=is_much and usage_type.meter is None,
        everything=whole,
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
