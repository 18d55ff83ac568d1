"""How the windows that are asked for and those of a meter cut a span together. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Period
from usage_billing.meters.across import windows_in
from usage_billing.meters.windowing import Every, Windowing
from usage_billing.reports.series_windows import too_much
from usage_billing.subscriptions.lifecycle import Timeline

MAX_PIECES = 110_000
"""A year of windows of 5 minutes."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A span cut by the windows that are asked for, and by the meter's: one of the meter's counts in each it touches.

    ``windows`` are the meter's own in all of the span, and ``asked`` those in each window that is asked for, as far as
    a subscription runs in them. ``pieces`` tile the span. ``places`` has of each the number of its window asked for,
    and where in its ``asked`` and in ``windows`` its own window is; None where nothing runs.
    """

    windowing: Windowing
    windows: Sequence[Period]
    asked: Sequence[Sequence[Period]]
    pieces: Sequence[Period]
    places: Sequence[tuple[int, int, int] | None]


def pieces_of(windowing: Windowing, lines: Sequence[Timeline], windows: Sequence[Period]) -> Pieces:
    """Cut what ``windows`` span, of these subscriptions; raises InvalidInput for too many pieces, and other zones."""
    zone, every = lines[0].zone, windowing.every
    if every != Every.FIVE_MINUTES and any(line.zone != zone for line in lines):
        message = "the user's subscriptions have different time zones: ask for each subscription"
        raise InvalidInput.field("/usageType", message, code="contradiction")
    start, end = windows[0].start, windows[-1].end
    runs = [span for line in lines for span in _running(line, start, end)]
    whole = sorted(windows_in(every, tuple(runs), zone=zone))
    asked = [sorted(windows_in(every, _within(runs, window), zone=zone)) for window in windows]
    edges = {start, end, *(one.start for one in windows)}
    edges |= {edge for one in whole for edge in (one.start, one.end) if start < edge < end}
    if len(edges) > MAX_PIECES:
        too_much(f"the span has more than {MAX_PIECES} windows of {every}", "a shorter span")
    pieces = [Period(*both) for both in pairwise(sorted(edges))]
    starts = [one.start for one in windows]
    places: list[tuple[int, int, int] | None] = []
    for piece in pieces:
        number = bisect_right(starts, piece.start)
        inside, here = _place(asked[number - 1], piece.start), _place(whole, piece.start)
        places.append(None if inside is None or here is None else (number, inside, here))
    return Pieces(windowing, whole, asked, pieces, places)


def _running(line: Timeline, start: datetime, end: datetime) -> list[Period]:
    found: list[Period] = []
    at: datetime | None = start
    while at is not None and at < end:
        segment = line.segment_at(at)
        if segment is None:
            since = at
            at = min(
                (term.starts_at for term in line.terms if term.starts_at > since and not term.paused), default=None
            )
        else:
            found.append(Period(at, min(segment.end, end)))
            at = segment.end
    return found


def _within(runs: Sequence[Period], window: Period) -> tuple[Period, ...]:
    cut = (Period(max(run.start, window.start), min(run.end, window.end)) for run in runs)
    return tuple(one for one in cut if one.start < one.end)


def _place(windows: Sequence[Period], at: datetime) -> int | None:
    place = bisect_right(windows, at, key=lambda one: one.start) - 1
    return place if place >= 0 and at in windows[place] else None
