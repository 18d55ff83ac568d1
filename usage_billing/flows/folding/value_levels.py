"""What the summaries of levels come to: each begins where the one before ends, and goes on without any recording."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.periods import Period
from usage_billing.flows.folding.claims import Terms
from usage_billing.flows.recording.context import new_summary
from usage_billing.metering.counted import lock_counted
from usage_billing.metering.new_summaries import NewSummary, create_summaries
from usage_billing.meters.definition import Level, Per
from usage_billing.meters.levels import Change, Stretch, stretch_of, values_of_level, without_area
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.running import Link, changes_in, drop_levels, last_recorded, links_of, put_levels
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment
from usage_billing.subscriptions.courses import segments_from

_NOTHING = Decimal(0)
Key = tuple[str, str]
"""(subscription, meter)"""


@dataclass(frozen=True, slots=True)
class LevelValues:
    """What summaries of levels come to, by id; also below 0.

    Those ``by_cell`` are to be rated whatever they come to: what their cells do may be another now.
    """

    values: dict[int, Decimal]
    by_cell: set[int]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A segment of a level; ``id`` is that of its summary, None if there is none."""

    id: int | None
    agreed: AgreedPeriod
    part: AgreedSegment
    stretch: Stretch


class ForeseenLevel(NamedTuple):
    """What a segment of a level would come to, also below 0; ``id`` is that of its summary, None if there is none."""

    id: int | None
    agreed: AgreedPeriod
    part: AgreedSegment
    value: Decimal


def ids_to_lock(session: Session, since: Mapping[Key, datetime]) -> set[int]:
    """The summaries of levels that change with what is counted into periods that begin at ``since`` or later.

    The first summary of each level is among them: the transaction that has it is the only one to reckon it.
    """
    found: set[int] = set()
    for key, links in _by_key(links_of(session, since)).items():
        found |= {links[0].id, *(link.id for link in links if link.period_start >= since[key])}
    return found


def value_levels(
    session: Session,
    since: Mapping[Key, datetime],
    meters: Mapping[str, ActiveMeter],
    terms: Terms,
    *,
    as_of: datetime | None,
) -> "LevelValues":
    """What the summaries of levels come to, as of an instant. They are locked.

    They are reckoned from the billing period on that begins at ``since``, and as of the last recording if that is
    later. Without ``as_of`` it is as of that, or as far as they were. A segment that has begun and costs something
    gets its summary.
    """
    found = LevelValues({}, set())
    for key, begins in since.items():
        values = _value_level(session, key, begins, meters[key[1]], terms, as_of=as_of)
        found.values.update(values)
        if meters[key[1]].has_cells:
            found.by_cell.update(values)
    return found


def _value_level(
    session: Session, key: Key, since: datetime, meter: ActiveMeter, terms: Terms, *, as_of: datetime | None
) -> dict[int, Decimal]:
    level = _level_of(meter)
    while True:
        links = links_of(session, [key])
        until = _until(session, key, links, meter, as_of=as_of)
        walked = _walk(session, key, links, level, terms, since=since, until=until)
        missing = _missing(key, walked, level)
        if not missing:
            break
        create_summaries(session, missing)
        # Another fold may have made them at the same time: what that counted is seen once it has them no more.
        lock_counted(session, ids_to_lock(session, {key: since}), to_rate_of=(), usage_types=())
    put_levels(session, [(one.id, one.stretch) for one in walked if one.id is not None])
    there = {one.id for one in walked}
    drop_levels(session, [link.id for link in links if link.period_start >= since and link.id not in there])
    found = {link.id: _NOTHING for link in links if link.period_start >= since}
    return found | {one.id: value for one, value in _valued(walked, level) if one.id is not None}


def foresee_level(
    session: Session, key: Key, since: datetime, meter: ActiveMeter, terms: Terms, *, as_of: datetime
) -> list[ForeseenLevel]:
    """What the segments of a level would come to by ``terms``, with the ids of their summaries; nothing is stored.

    The segments without a summary are those that would get one.
    """
    level = _level_of(meter)
    links = links_of(session, [key])
    until = _until(session, key, links, meter, as_of=as_of)
    walked = _walk(session, key, links, level, terms, since=since, until=until)
    missing = {new.key.period_start for new in _missing(key, walked, level)}
    return [
        ForeseenLevel(one.id, one.agreed, one.part, value)
        for one, value in _valued(walked, level)
        if one.id is not None or one.part.start in missing
    ]


def _valued(walked: Sequence["_Placed"], level: Level) -> Iterator[tuple["_Placed", Decimal]]:
    for members in _by_period(walked).values():
        yield from zip(members, values_of_level(level.per, [one.stretch for one in members]), strict=True)


def _level_of(meter: ActiveMeter) -> Level:
    if meter.level is None:
        raise LookupError(f"{meter.usage_type_id} is no level")
    return meter.level


def _until(
    session: Session, key: Key, links: Sequence[Link], meter: ActiveMeter, *, as_of: datetime | None
) -> datetime:
    """As of when the level is reckoned; what is retired stands still."""
    instants = [as_of] if as_of is not None else [link.upto for link in links]
    known = max((one for one in instants if one is not None), default=None)
    until = last_recorded(session, key[0], meter.of, after=known) or known or links[0].period_start
    return until if meter.retired_at is None else min(until, meter.retired_at)


def _walk(
    session: Session,
    key: Key,
    links: Sequence[Link],
    level: Level,
    terms: Terms,
    *,
    since: datetime,
    until: datetime,
) -> list[_Placed]:
    """The segments from ``since`` on, each from the level at which the one before ends."""
    segments = list(segments_from(terms.timelines[key[0]], terms.quotas, *key, start=since, until=until))
    groups = {(agreed.period.start, agreed.period.end): n for n, (agreed, _) in enumerate(segments, start=1)}
    place = {part.start: groups[agreed.period.start, agreed.period.end] for agreed, part in segments}
    together = {link.id: 0 if level.carry else place.get(link.period_start, 0) for link in links}
    changes = changes_in(session, together, level)
    ids = {link.period_start: link.id for link in links}
    stands = sum_of(changes[link.id].total for link in links if link.period_start < since and link.id in changes)
    found: list[_Placed] = []
    ends: dict[Period, Decimal] = {}
    for agreed, part in segments:
        id = ids.get(part.start)
        begins = stands if level.carry else ends.get(agreed.period, _NOTHING)
        change = Change() if id is None else changes.get(id, Change())
        stretch = stretch_of(part.start, part.end, level=begins, change=change, as_of=until)
        found.append(_Placed(id, agreed, part, without_area(stretch) if level.per == Per.END else stretch))
        stands = EXACT.add(stands, change.total)
        ends[agreed.period] = stretch.level
    return found


def _missing(key: Key, walked: Sequence[_Placed], level: Level) -> list[NewSummary]:
    """The summaries that are not there of segments that cost something, or have their part of a mean."""
    divided = {one.agreed.period for one in walked if one.stretch.area or one.id is not None}
    return [
        new_summary(*key, one.agreed, one.part)
        for one in walked
        if one.id is None and (one.stretch.level or (level.per == Per.PERIOD and one.agreed.period in divided))
    ]


def _by_key(links: Sequence[Link]) -> dict[Key, list[Link]]:
    found: dict[Key, list[Link]] = {}
    for link in links:
        found.setdefault((link.subscription_id, link.usage_type_id), []).append(link)
    return found


def _by_period(walked: Sequence[_Placed]) -> Mapping[Period, Sequence[_Placed]]:
    found: dict[Period, list[_Placed]] = {}
    for one in walked:
        found.setdefault(one.agreed.period, []).append(one)
    return found
