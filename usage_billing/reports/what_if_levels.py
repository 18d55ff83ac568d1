"""What a level comes to over recorded events, from one to the next. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.meters.definition import Level, Mode
from usage_billing.meters.levels import Change, Stretch, series_of_level, stretches_over, values_of_level
from usage_billing.rating.pricing.cell_totals import SegmentSeries
from usage_billing.subscriptions.agreement import AgreedPeriod

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Decimal(0)
Reported = tuple[datetime, Decimal, Mapping[str, Any]]
"""(when, by how much a level changed or to what it was set or which value was seen, the series by dimension)"""


class _Step(NamedTuple):
    at: datetime
    by: Decimal
    series: Mapping[str, Any]

    @property
    def name(self) -> str:
        return repr(sorted(self.series.items()))


def level_in(level: Level, events: Iterable[Reported], agreed: AgreedPeriod, *, until: datetime) -> list[Decimal]:
    """What falls to each segment of a billing period as of ``until``; below 0 it counts as 0.

    ``events`` are in the order recorded, from before the period on if the level is carried.
    """
    begun = _begun(agreed, until)
    stretches = _stretches(_steps(level, events, agreed), begun, until)
    values = [max(value, _NOTHING) for value in values_of_level(level.per, stretches)]
    return values + [_NOTHING] * (len(agreed.parts) - len(begun))


def series_in(
    level: Level, events: Iterable[Reported], agreed: AgreedPeriod, *, until: datetime
) -> list[SegmentSeries]:
    """What each series came to in each segment of a billing period as of ``until``; ``events`` as for ``level_in``."""
    begun = _begun(agreed, until)
    by_series: dict[str, list[_Step]] = {}
    for step in _steps(level, events, agreed):
        by_series.setdefault(step.name, []).append(step)
    series = [(steps[0].series, _stretches(steps, begun, until)) for steps in by_series.values()]
    found = series_of_level(level.per, series, segments=len(begun))
    return found + [SegmentSeries()] * (len(agreed.parts) - len(begun))


def _begun(agreed: AgreedPeriod, until: datetime) -> list[Period]:
    return [Period(part.start, part.end) for part in agreed.parts if part.start <= until]


def _stretches(steps: Sequence[_Step], spans: Sequence[Period], until: datetime) -> list[Stretch]:
    stands = sum_of(step.by for step in steps if spans and step.at < spans[0].start)
    changes = []
    for span in spans:
        here = [step for step in steps if step.at in span]
        weighted = sum_of(EXACT.multiply(step.by, Decimal((step.at - _EPOCH) // INSTANT)) for step in here)
        changes.append(Change(sum_of(step.by for step in here), weighted))
    return stretches_over(spans, level=stands, changes=changes, as_of=until)


def _steps(level: Level, events: Iterable[Reported], agreed: AgreedPeriod) -> list[_Step]:
    counting = [one for one in events if level.carry or one[0] >= agreed.period.start]
    last: dict[str, Decimal] = {}
    seen = set[Decimal]()
    found: list[_Step] = []
    for at, value, series in sorted(counting, key=lambda one: one[0]):
        step = _Step(at, value, series)
        match level.mode:
            case Mode.SET:
                found.append(step._replace(by=EXACT.subtract(value, last.get(step.name, _NOTHING))))
            case Mode.SEEN:
                found.append(step._replace(by=Decimal(value not in seen)))
                seen.add(value)
            case Mode.CHANGE:
                found.append(step)
        last[step.name] = value
    return found
