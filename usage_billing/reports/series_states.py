"""What is known of one subscription window by window: what folds have kept, and what they have not counted yet."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Period
from usage_billing.meters.definition import Definition, Function
from usage_billing.meters.measures import extreme_of
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.series import MAX_TAIL, tail_states, whole_states
from usage_billing.meters.stored import LeftToCount, WindowState, left_to_count, stored_and_left
from usage_billing.meters.stretches import minutes_for
from usage_billing.meters.told import WindowValue, values_told
from usage_billing.reports.series_windows import ANEW, PERIOD, too_much
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import Contract

MAX_VALUES = 200_000
"""So many distinct values of windows and series are told apart for an answer."""


def reads_stored(meter: ActiveMeter, *, by: str) -> bool:
    """Whether what folds have stored says all of a subscription, if they have nothing left to count."""
    if meter.level is not None or meter.function == Function.UNIQUE_COUNT:
        return False
    return not _is_anew(meter, by) and not (by == PERIOD and meter.of is None)


def _is_anew(meter: ActiveMeter, by: str) -> bool:
    """Whether windows are shorter than what is kept."""
    return by in ANEW and not (meter.windowing is not None and meter.windowing.every == by)


class Counted(NamedTuple):
    """What was found of a subscription, without ``missing`` recordings.

    ``is_much``: no fold has counted more recordings than are to be counted for every read.
    """

    states: list[WindowState]
    missing: int = 0
    is_much: bool = False


def states_in(
    session: Session, contract: Contract, meter: ActiveMeter, windows: Sequence[Period], *, by: str, most: int
) -> Counted:
    """What is stored of a subscription, and what no fold has counted; of a plain usage type up to ``most`` of that."""
    if by == PERIOD and meter.of is None:
        return Counted(whole_states(session, contract.id, meter.usage_type_id, windows))
    anew = _is_anew(meter, by)
    if anew:
        found, left = list[WindowState](), left_to_count(session, contract.id, meter, windows, anew=True)
    else:
        found, left, _ = stored_and_left(session, contract.id, meter, windows)
    missing = sum(one.recordings for one in left)
    if missing > MAX_TAIL and anew:
        message = f"usage is kept by the hour, and {missing} recordings are more than {MAX_TAIL} to be counted anew"
        raise InvalidInput.field("/by", message, code="too_fine")
    # Of what is taken back, only a fold finds out which other is the extreme of its bucket then.
    takes_back = extreme_of(meter.definitions[0][1]) is not None and any(one.takes_back for one in left)
    is_much = missing > MAX_TAIL
    if takes_back or missing > (max(MAX_TAIL, most) if meter.of is None else MAX_TAIL):
        return Counted(found, missing, is_much)
    for one in left:
        found += _tail(session, contract, meter, one, windows, minutes=ANEW[by] if anew else None)
    return Counted(found, is_much=is_much)


def _tail(
    session: Session,
    contract: Contract,
    meter: ActiveMeter,
    left: LeftToCount,
    windows: Sequence[Period],
    *,
    minutes: int | None,
) -> list[WindowState]:
    """What is left of one summary, counted in buckets of ``minutes``; None for those in which it is kept."""
    segment = contract.timeline.segment_at(left.period_start)
    ends = left.period_start if segment is None else segment.end
    definition = definition_at(meter, contract, left.period_start)
    if minutes is None:
        minutes = minutes_for(definition, contract.timeline.zone, left.period_start, ends)
    return tail_states(
        session,
        contract.id,
        definition,
        left,
        windows,
        meter=meter,
        minutes=minutes,
    )


def values_in(
    session: Session,
    contract: Contract,
    meter: ActiveMeter,
    windows: Sequence[Period],
    *,
    since: datetime | None = None,
) -> Iterator[tuple[Definition, WindowValue]]:
    """The distinct values of each series and window, from the recordings: folds keep those of whole periods.

    Those from ``since`` to the first window are of place 0.
    """
    count, span = 0, Period(since or windows[0].start, windows[-1].end)
    for definition, within in parts_by_definition(contract.timeline, meter, span):
        found = values_told(
            session, contract.id, meter, definition, windows, within=within, limit=MAX_VALUES + 1 - count
        )
        count += len(found)
        if count > MAX_VALUES:
            too_much(f"more than {MAX_VALUES} values to be told apart", "a shorter span")
        for one in found:
            yield definition, one


def parts_by_definition(timeline: Timeline, meter: ActiveMeter, span: Period) -> Iterator[tuple[Definition, Period]]:
    """Which definition holds in which part of a span, the latest first."""
    ends = span.end
    for since, definition in meter.definitions:
        begins = max(_first_period(timeline, since), span.start)
        if begins < ends:
            yield definition, Period(begins, ends)
            ends = begins


def _first_period(timeline: Timeline, since: datetime) -> datetime:
    """When the first billing period begins for which a definition holds that is in force from ``since``."""
    segment = timeline.segment_at(since)
    return since if segment is None or segment.period.start == since else segment.period.end


def definition_at(meter: ActiveMeter, contract: Contract, instant: datetime) -> Definition:
    """The definition for the billing period around an instant."""
    segment = contract.timeline.segment_at(instant)
    return meter.definition_of(instant if segment is None else segment.period.start)
