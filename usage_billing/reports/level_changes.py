"""The changes of a level in windows shorter than the hours in which folds keep them: recording by recording."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import InvalidInput
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.meters.definition import Level, Mode
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.reported import Reported, reported
from usage_billing.meters.series import MAX_TAIL, stored_changes
from usage_billing.meters.stored import WindowState
from usage_billing.meters.values import State
from usage_billing.reports.series_states import parts_by_definition
from usage_billing.subscriptions.queries import Contract

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Decimal(0)
Placed = tuple[WindowState, datetime]
"""A change, and the end of its billing period."""


def changes_anew(
    session: Session, contract: Contract, meter: ActiveMeter, windows: Sequence[Period], *, level: Level
) -> list[Placed]:
    """As ``series.stored_changes``, with what happened from the hour on in which the first window begins.

    Raises InvalidInput for more than 20,000 recordings.
    """
    hour = windows[0].start - (windows[0].start - _EPOCH) % timedelta(hours=1)
    before = stored_changes(session, contract.id, meter.usage_type_id, [Period(hour, hour)], level=level)
    found: list[Reported] = []
    for definition, within in parts_by_definition(contract.timeline, meter, Period(hour, windows[-1].end)):
        limit = MAX_TAIL + 1 - len(found)
        found = reported(session, contract.id, meter, definition, within=within, limit=limit) + found
    if len(found) > MAX_TAIL:
        message = f"levels are kept by the hour, and more than {MAX_TAIL} recordings are too many to be counted anew"
        raise InvalidInput.field("/by", message, code="too_fine")
    return [*before, *_changes(contract, found, before, windows, level=level)]


def _changes(
    contract: Contract,
    found: Sequence[Reported],
    before: Sequence[Placed],
    windows: Sequence[Period],
    *,
    level: Level,
) -> Iterator[Placed]:
    starts = [one.start for one in windows]
    stands: dict[tuple[str, datetime | None], Decimal] = {}
    for known, ends in before:
        key = (repr(known.dimensions), None if level.carry else ends)
        stands[key] = EXACT.add(stands.get(key, _NOTHING), known.state.total)
    for one in found:
        segment = contract.timeline.segment_at(one.at)
        if segment is None:
            continue
        key, change = (repr(one.dimensions), None if level.carry else segment.bills_at), one.value
        if level.mode == Mode.SET:
            change = EXACT.subtract(change, stands.get(key, _NOTHING))
            stands[key] = one.value
        weighted = EXACT.multiply(change, Decimal((one.at - _EPOCH) // INSTANT))
        state = State(events=1, total=change, weighted=weighted)
        yield WindowState(bisect_right(starts, one.at), segment.period.start, one.dimensions, state), segment.bills_at
