"""What meters want of wallets in units, found anew: by one recording after the other, not by the buckets of folds.

Of a meter whose values do not add up all is wanted at once: what lies beyond its allowance, which the proof of its
summary finds from the recordings.
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

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.measure import Measure
from usage_billing.reports.verify.meter_rows import FETCH, USAGE, definition_at, folds_of, meter_of, place_of
from usage_billing.reports.verify.terms import load_agreements, load_catalogue

_NOTHING = Fraction(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_UNKNOWN = Fraction(10**30)
_LATEST = text("SELECT max(received_at) FROM usage WHERE summary_id = ANY(CAST(:ids AS bigint[]))")


@dataclass(slots=True)
class MeterUse:
    """What a summary of a meter wants by the beginning of each window; ``gross`` counts what was taken back too.

    ``latest`` is when the last recording came to it. What a meter ever wanted whose values do not add up is not known.
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
        if not one.adds_up:
            found[one.id] = _use_of_whole(session, one)
            continue
        agreement = agreements[one.subscription_id]
        segment = catalogue.segment(agreement, one.period_start)
        begins = one.period_start if segment is None else segment.period[0]
        found[one.id] = _use(session, one, cuts, begins=begins, zone=agreement.zone)
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


def _use_of_whole(session: Session, summary: Any) -> MeterUse:
    asked = {"meter": summary.usage_type_id, "of": summary.of, "subscription": summary.subscription_id}
    latest = session.scalar(_LATEST, {"ids": list(folds_of(session, asked))})
    return MeterUse({summary.period_start: Fraction(summary.beyond_limit)}, _UNKNOWN, latest)


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
