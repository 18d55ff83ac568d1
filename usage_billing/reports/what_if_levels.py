"""What a level comes to over recorded events, from one to the next. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.meters.definition import Level, Mode
from usage_billing.meters.levels import Change, stretch_of, values_of_level
from usage_billing.subscriptions.agreement import AgreedPeriod

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Decimal(0)
Reported = tuple[datetime, Decimal, Mapping[str, Any]]
"""(when, by how much a level changed or to what it was set or which value was seen, the series by dimension)"""


def level_in(level: Level, events: Iterable[Reported], agreed: AgreedPeriod, *, until: datetime) -> list[Decimal]:
    """What falls to each segment of a billing period as of ``until``; below 0 it counts as 0.

    ``events`` are in the order recorded, from before the period on if the level is carried.
    """
    changes = _changes(level, [one for one in events if level.carry or one[0] >= agreed.period.start])
    begun = [part for part in agreed.parts if part.start <= until]
    stands = sum_of(by for at, by in changes if at < agreed.parts[0].start)
    stretches = []
    for part in begun:
        here = [(at, by) for at, by in changes if part.start <= at < part.end]
        weighted = sum_of(EXACT.multiply(by, Decimal((at - _EPOCH) // INSTANT)) for at, by in here)
        change = Change(sum_of(by for _, by in here), weighted)
        stretches.append(stretch_of(part.start, part.end, level=stands, change=change, as_of=until))
        stands = stretches[-1].level
    values = [max(value, _NOTHING) for value in values_of_level(level.per, stretches)]
    return values + [_NOTHING] * (len(agreed.parts) - len(begun))


def _changes(level: Level, events: Sequence[Reported]) -> list[tuple[datetime, Decimal]]:
    last: dict[str, Decimal] = {}
    seen = set[Decimal]()
    found: list[tuple[datetime, Decimal]] = []
    for at, value, series in sorted(events, key=lambda one: one[0]):
        name = repr(sorted(series.items()))
        match level.mode:
            case Mode.SET:
                found.append((at, EXACT.subtract(value, last.get(name, _NOTHING))))
            case Mode.SEEN:
                found.append((at, Decimal(value not in seen)))
                seen.add(value)
            case Mode.CHANGE:
                found.append((at, value))
        last[name] = value
    return found
