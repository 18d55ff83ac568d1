"""What a level comes to: it goes on from change to change, so each stretch of time costs what stands in it. Pure.

Areas are in units times microseconds, and exact. With net changes ``total`` and the sum ``weighted`` of each change
times its microseconds from the epoch, the area of a stretch that begins at level L is L times its length, plus its end
times ``total``, minus ``weighted``: no recording needs to be looked at again, whatever is late or taken back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.core.proration import quotient
from usage_billing.meters.definition import Per
from usage_billing.rating.pricing.cell_totals import SegmentSeries, SeriesTotal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Decimal(0)
_SECOND = 1_000_000
_UNITS = {Per.SECOND: _SECOND, Per.HOUR: 3600 * _SECOND, Per.DAY: 86_400 * _SECOND}


class Change(NamedTuple):
    """By how much a level changed in a stretch, and the sum of each change times its microseconds from the epoch."""

    total: Decimal = _NOTHING
    weighted: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time from ``start`` to before ``end``, reckoned in ``upto`` some instant in it; ``level`` is then.

    A part of a billing period, or a window.
    """

    start: datetime
    end: datetime
    upto: datetime
    area: Decimal
    level: Decimal

    @property
    def elapsed(self) -> int:
        """Microseconds that are reckoned in."""
        return (self.upto - self.start) // INSTANT

    def at(self, instant: datetime) -> "Stretch":
        """The stretch as of another instant, if nothing changes until then."""
        upto = min(max(instant, self.start), self.end)
        area = EXACT.add(self.area, EXACT.multiply(self.level, Decimal((upto - self.upto) // INSTANT)))
        return replace(self, upto=upto, area=area)


def without_area(stretch: Stretch) -> Stretch:
    """The stretch of a level that does not count by time."""
    return replace(stretch, area=_NOTHING)


def stretch_of(start: datetime, end: datetime, *, level: Decimal, change: Change, as_of: datetime) -> Stretch:
    """The stretch that begins at ``level``, and in which ``change`` happened before ``as_of``."""
    upto = min(max(as_of, start), end)
    length, moment = Decimal((upto - start) // INSTANT), Decimal((upto - _EPOCH) // INSTANT)
    stands = EXACT.add(EXACT.multiply(level, length), EXACT.multiply(change.total, moment))
    return Stretch(start, end, upto, EXACT.subtract(stands, change.weighted), EXACT.add(level, change.total))


def stretches_over(
    spans: Sequence[Period], *, level: Decimal, changes: Sequence[Change], as_of: datetime
) -> list[Stretch]:
    """The segments of a billing period that begins at ``level``, each from the level at which the one before ends."""
    found: list[Stretch] = []
    for span, change in zip(spans, changes, strict=True):
        found.append(stretch_of(span.start, span.end, level=level, change=change, as_of=as_of))
        level = found[-1].level
    return found


def series_of_level(
    per: Per, series: Sequence[tuple[Mapping[str, Any], Sequence[Stretch]]], *, segments: int
) -> list[SegmentSeries]:
    """What each series of a level came to in each segment of a billing period; ``series`` has those of all of them.

    The mean of a period is divided by time, of each series as of all.
    """
    if not series:
        return [SegmentSeries()] * segments
    wholes = [
        replace(here[0], area=sum_of(one.area for one in here))
        for here in zip(*(stretches for _, stretches in series), strict=True)
    ]
    time = sum(one.elapsed for one in wholes)
    found: list[SegmentSeries] = []
    for place, (value, whole) in enumerate(zip(values_of_level(per, wholes), wholes, strict=True)):
        if per == Per.PERIOD:
            share = Decimal(whole.elapsed)
            areas = [EXACT.multiply(sum_of(one.area for one in stretches), share) for _, stretches in series]
        else:
            areas = [stretches[place].area for _, stretches in series]
        totals = [SeriesTotal(values, area) for (values, _), area in zip(series, areas, strict=True)]
        divisor = (time * time or 1) if per == Per.PERIOD else _UNITS[per]
        found.append(SegmentSeries(totals, value, divisor))
    return found


def values_of_level(per: Per, stretches: Sequence[Stretch]) -> list[Decimal]:
    """What falls to each stretch of a billing period, in order, as far as they are reckoned in; it may be negative.

    A level in unit-time adds up, and is rounded as it runs on. The mean of the period is divided by time. Of where the
    level ends the first stretch has all that it ends at, and each later one what that rose by.
    """
    if per == Per.END:
        ends = [one.level for one in stretches]
        return [EXACT.subtract(now, before) for before, now in zip([_NOTHING, *ends], ends, strict=False)]
    area, elapsed, found, running = _NOTHING, 0, list[Decimal](), _NOTHING
    mean = value_of_level(per, stretches) if per == Per.PERIOD else None
    whole = sum(one.elapsed for one in stretches)
    for one in stretches:
        area, elapsed = EXACT.add(area, one.area), elapsed + one.elapsed
        if mean is None:
            now = quotient(Fraction(area), _UNITS[per])
        else:
            now = quotient(Fraction(mean) * elapsed, whole) if whole else _NOTHING
        found.append(EXACT.subtract(now, running))
        running = now
    return found


def value_of_level(per: Per, stretches: Sequence[Stretch]) -> Decimal:
    """What all of these stretches together come to."""
    area = _NOTHING
    for one in stretches:
        area = EXACT.add(area, one.area)
    length = sum(one.elapsed for one in stretches) if per == Per.PERIOD else _UNITS[per]
    return quotient(Fraction(area), length) if length else _NOTHING
