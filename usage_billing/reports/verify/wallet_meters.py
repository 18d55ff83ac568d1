"""What meters want of wallets in units, found anew: by one recording after the other, not by the buckets of folds.

Of a meter whose values do not add up all is wanted at once: what lies beyond its allowance, which the proof of its
summary finds from the recordings. What it can ever have wanted is found here.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, pairwise
from math import gcd
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from usage_billing.reports.verify.functions import Span
from usage_billing.reports.verify.measure import Measure
from usage_billing.reports.verify.meter_rows import FETCH, USAGE, definition_at, folds_of, meter_of, place_of
from usage_billing.reports.verify.terms import load_agreements, load_catalogue

_NOTHING = Fraction(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_UNKNOWN = Fraction(10**30)


@dataclass(slots=True)
class MeterUse:
    """What a summary of a meter wants by the beginning of each window; ``gross`` is no less than it ever wanted.

    So what was taken back counts there; of a level it is no bound. ``latest`` is when the last recording came to it, or
    to another segment of its period where values do not add up.
    """

    wants: dict[datetime, Fraction] = field(default_factory=dict)
    gross: Fraction = _NOTHING
    latest: datetime | None = None


def uses_of_meters(session: Session, summaries: Iterable[Any], cuts: Sequence[datetime]) -> dict[int, MeterUse]:
    """By id, what these summaries of meters want in the windows between ``cuts``, as far as is folded."""
    summaries = list(summaries)
    if not summaries:
        return {}
    catalogue = load_catalogue(session)
    agreements = load_agreements(session, {one.subscription_id for one in summaries})
    found: dict[int, MeterUse] = {}
    for one in summaries:
        agreement = agreements[one.subscription_id]
        segment = catalogue.segment(agreement, one.period_start)
        period = (one.period_start, one.period_end) if segment is None else segment.period
        if one.adds_up:
            found[one.id] = _use(session, one, cuts, begins=period[0], zone=agreement.zone)
        else:
            found[one.id] = _use_of_whole(session, one, period)
    return found


def _use(session: Session, summary: Any, cuts: Sequence[datetime], *, begins: datetime, zone: str) -> MeterUse:
    asked = {"meter": summary.usage_type_id, "of": summary.of, "subscription": summary.subscription_id}
    measure, meter = Measure(definition_at(session, asked, begins)), meter_of(session, asked)
    folds = {id: fold for id, fold in folds_of(session, asked).items() if summary.id in fold.summaries}
    starts = [summary.period_start, *(cut for cut in cuts if summary.period_start < cut < summary.period_end)]
    parts, use = [_NOTHING] * len(starts), MeterUse()
    sources = {"sources": list(folds), "since": meter.since, "retired": meter.retired_at}
    for row in session.execute(USAGE, sources, execution_options={"yield_per": FETCH}):
        fold = folds[row.summary_id]
        counted = measure.of(row) if place_of(fold, row.occurred_at) == summary.id else None
        if counted is None:
            continue
        value = Fraction(counted[0])
        use.gross += max(value, _NOTHING)
        use.latest = row.received_at if use.latest is None else max(use.latest, row.received_at)
        if row.ordinal <= fold.folded and (row.void is None or row.void > fold.folded_voids):
            bucket = _bucket(zone, fold.period_start.year, fold.period_end.year)
            begun = row.occurred_at - (row.occurred_at - _EPOCH) % bucket
            parts[max(bisect_right(starts, begun) - 1, 0)] += value
    wants = _rises(parts, total=Fraction(summary.total), beyond=Fraction(summary.beyond_limit))
    use.wants = dict(zip(starts, wants, strict=True))
    return use


def _use_of_whole(session: Session, summary: Any, period: Span) -> MeterUse:
    asked = {"meter": summary.usage_type_id, "of": summary.of, "subscription": summary.subscription_id}
    use = MeterUse({summary.period_start: Fraction(summary.beyond_limit)}, _UNKNOWN)
    definition, meter = definition_at(session, asked, period[0]), meter_of(session, asked)
    if definition.mode is not None:
        return use
    measure, most = Measure(definition), _Most(definition)
    folds = folds_of(session, asked).items()
    ids = [id for id, fold in folds if fold.period_start < period[1] and fold.period_end > period[0]]
    sources = {"sources": ids, "since": meter.since, "retired": meter.retired_at}
    for row in session.execute(USAGE, sources, execution_options={"yield_per": FETCH}):
        counted = measure.of(row)
        if counted is not None:
            most.add(counted[0])
            use.latest = row.received_at if use.latest is None else max(use.latest, row.received_at)
    use.gross = most.units
    return use


class _Most:
    """No less than what a meter can have come to whose values do not add up, whichever of them counted by then."""

    def __init__(self, definition: Any) -> None:
        self._has_windows = definition.windowing is not None
        self._told = set[str]() if definition.function == "unique_count" else None
        self._added = self._largest = _NOTHING

    def add(self, value: Any) -> None:
        """Let another recording have counted."""
        if self._told is not None:
            self._added += 1
            self._told |= set() if self._has_windows else {value}
        else:
            self._added += max(Fraction(value), _NOTHING)
            self._largest = max(self._largest, Fraction(value))

    @property
    def units(self) -> Fraction:
        """All windows together have no more than all values come to."""
        if self._has_windows:
            return self._added
        return self._largest if self._told is None else Fraction(len(self._told))


def _rises(parts: Sequence[Fraction], *, total: Fraction, beyond: Fraction) -> Iterator[Fraction]:
    """By how much each window raises the highest so far of what lies beyond; all of them together by ``beyond``."""
    above = (max(so_far - (total - beyond), _NOTHING) for so_far in accumulate(parts))
    reached = [min(highest, beyond) for highest in accumulate(above, max)]
    for before, after in pairwise([_NOTHING, *reached[:-1], beyond]):
        yield after - before


@lru_cache(maxsize=1024)
def _bucket(zone: str, first: int, last: int) -> timedelta:
    """The stretch by which meters are kept: an hour, or what of it divides the zone's distance from UTC."""
    minutes, day = 60, datetime(first, 1, 1, tzinfo=UTC)
    while day.year <= last:
        ahead = day.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
        minutes, day = gcd(minutes, ahead // timedelta(minutes=1)), day + _DAY
    return timedelta(minutes=minutes)
