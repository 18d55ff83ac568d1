"""What is known of a level window by window: changes, and where it stops and goes on again without any recording."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from msgspec import structs
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.meters.definition import Level
from usage_billing.meters.queries import EVER, ActiveMeter
from usage_billing.meters.running import standing_at
from usage_billing.meters.series import stored_changes
from usage_billing.meters.stored import WindowState, left_to_count
from usage_billing.meters.values import State
from usage_billing.reports.level_changes import changes_anew
from usage_billing.reports.series_windows import ANEW
from usage_billing.subscriptions.queries import Contract

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)


def levels_in(
    session: Session, contract: Contract, meter: ActiveMeter, windows: Sequence[Period], *, by: str, now: datetime
) -> tuple[list[WindowState], int]:
    """The changes of a subscription's level, and how many recordings no fold has counted.

    Each is put where it happens: what stands at the first window begins there, a billing period that carries nothing
    on ends at 0, and while the subscription is paused, and after its end, nothing stands.
    """
    level = meter.level
    if level is None:
        raise LookupError(f"{meter.usage_type_id} is no level")
    left = left_to_count(session, contract.id, meter, windows, anew=False)
    if by in ANEW:
        stored = changes_anew(session, contract, meter, windows, level=level)
    else:
        stored = stored_changes(session, contract.id, meter.usage_type_id, windows, level=level)
    start = windows[0].start
    found = [one if one.place else _moved(one, 1, start) for one, _ in stored]
    if not level.carry:
        found += [
            _taken(one, _place_of(windows, ends), ends)
            for one, ends in stored
            if ends <= now and ends < windows[-1].end
        ]
    for gap in gaps_of(contract, meter, level):
        found += _gap(session, contract, meter, gap, windows, now=now)
    return found, sum(one.recordings for one in left)


def gaps_of(contract: Contract, meter: ActiveMeter, level: Level) -> Iterator[Period]:
    """When nothing stands: pauses, and what follows the end. Of what is not carried, until the billing period ends."""
    terms = contract.timeline.terms
    gaps = [(term.starts_at, term.ends_at) for term in terms if term.paused]
    gaps += [
        (term.ends_at, later.starts_at)
        for term, later in pairwise(terms)
        if term.ends_at is not None and term.ends_at < later.starts_at
    ]
    gaps += [(at, None) for at in (terms[-1].ends_at if level.carry else None, meter.retired_at) if at is not None]
    for at, resumes in gaps:
        segment = contract.timeline.segment_at(at - INSTANT)
        if level.carry or segment is None:
            yield Period(at, resumes or FOREVER)
        else:
            yield Period(at, min(resumes or FOREVER, segment.bills_at))


def _gap(
    session: Session, contract: Contract, meter: ActiveMeter, gap: Period, windows: Sequence[Period], *, now: datetime
) -> Iterator[WindowState]:
    start, ends = windows[0].start, min(windows[-1].end, now)
    if gap.start >= ends or gap.end <= start or meter.level is None:
        return
    segment = contract.timeline.segment_at(gap.start - INSTANT)
    since = EVER if meter.level.carry or segment is None else segment.period.start
    stands = standing_at(session, contract.id, meter.usage_type_id, gap.start, level=meter.level, since=since)
    for series, value in stands:
        one, at = WindowState(1, gap.start, series, State(total=value)), max(gap.start, start)
        yield _taken(one, _place_of(windows, at), at)
        if gap.end < ends:
            yield _moved(one, _place_of(windows, gap.end), gap.end)


def _place_of(windows: Sequence[Period], at: datetime) -> int:
    return bisect_right([one.start for one in windows], at)


def _moved(one: WindowState, place: int, at: datetime) -> WindowState:
    """As if all of it happened at ``at``."""
    weighted = EXACT.multiply(one.state.total, Decimal((at - _EPOCH) // INSTANT))
    return structs.replace(one, place=place, state=State(total=one.state.total, weighted=weighted))


def _taken(one: WindowState, place: int, at: datetime) -> WindowState:
    """As if all of it were taken away at ``at``."""
    return _moved(structs.replace(one, state=State(total=-one.state.total)), place, at)
