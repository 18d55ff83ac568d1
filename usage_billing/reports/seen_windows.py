"""Distinct values that are carried, window by window: each stands from where it is first seen on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.meters.definition import DISTINCT, Definition
from usage_billing.meters.queries import EVER, ActiveMeter
from usage_billing.reports.level_states import FOREVER, gaps_of
from usage_billing.reports.series_states import values_in
from usage_billing.subscriptions.queries import Contract


@dataclass(frozen=True, slots=True)
class SeenValue:
    """A value of a series by its digest. ``runs`` are where it stands: (first window, number after the last)."""

    definition: Definition
    dimensions: Any
    digest: bytes
    runs: Sequence[tuple[int, int]]


def seen_in(
    session: Session, contract: Contract, meter: ActiveMeter, windows: Sequence[Period], *, now: datetime
) -> Iterator[SeenValue]:
    """What a subscription has seen by each window, from the recordings; windows are numbered from 1.

    Nothing stands in a window that has not begun, or in which the subscription or the meter does not run.
    """
    first: dict[tuple[str, bytes], tuple[int, Definition, Any]] = {}
    for definition, told in values_in(session, contract, meter, windows, since=EVER):
        key = repr(told.dimensions), told.digest
        if key not in first or told.place < first[key][0]:
            first[key] = told.place, definition, told.dimensions
    gaps = [*gaps_of(contract, meter, DISTINCT), Period(now, FOREVER)]
    runs = _runs([not any(gap.start <= one.start and one.end <= gap.end for gap in gaps) for one in windows])
    for (_, digest), (place, definition, dimensions) in first.items():
        found = [(max(start, place), end) for start, end in runs if end > place]
        if found:
            yield SeenValue(definition, dimensions, digest, found)


def _runs(stands: Sequence[bool]) -> list[tuple[int, int]]:
    """Where something stands without a break, by numbers of windows."""
    found: list[tuple[int, int]] = []
    for holds, places in groupby(range(1, len(stands) + 1), key=lambda place: stands[place - 1]):
        run = list(places)
        if holds:
            found.append((run[0], run[-1] + 1))
    return found
