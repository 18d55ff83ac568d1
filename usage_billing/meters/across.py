"""What a meter comes to that looks at its billing period window by window. Pure.

The function gives each window a value, of what occurred in it; a rate divides that by the whole window's time. A window
without recordings is 0, or is left out. Then all windows that the period touches, also those to come, are one quantity:
their greatest, their sum, their average, or a percentile by nearest rank.

Source: docs/metering.md, "Windows".
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import ceil

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.core.proration import quotient
from usage_billing.meters.definition import Function
from usage_billing.meters.values import State, shared_by_time, together, value_of
from usage_billing.meters.windowing import Across, Empty, Every, Windowing
from usage_billing.meters.windows import windows_of

_NOTHING = Decimal(0)
_SECOND = 1_000_000
States = Mapping[int, State]
"""What is kept of recordings, by the place of their window, from 0."""


@lru_cache(maxsize=16)
def windows_in(every: Every, spans: tuple[Period, ...], *, zone: str) -> tuple[Period, ...]:
    """The whole windows that these spans touch, in order; one that two of them touch is there once."""
    found: dict[Period, None] = {}
    for span in spans:
        found |= dict.fromkeys(windows_of(span.start, span.end, by=every, zone=zone))
    return tuple(found)


def value_across(function: Function, windowing: Windowing, states: States, windows: Sequence[Period]) -> Decimal | None:
    """What all windows come to; None where windows without recordings are left out, and none has any."""
    values = [
        value
        for place, state in states.items()
        if (value := value_in_window(function, windowing, state, windows[place])) is not None
    ]
    empty = len(windows) - len(values) if windowing.empty == Empty.ZERO else 0
    if not values:
        return _NOTHING if empty else None
    match windowing.across:
        case Across.SUM:
            return sum_of(values)
        case Across.MAX:
            return max(values) if not empty else max(*values, _NOTHING)
        case Across.AVERAGE:
            return quotient(Fraction(sum_of(values)), len(values) + empty)
        case Across.PERCENTILE:
            return _nearest_rank(values, empty, windowing.percent or _NOTHING)


def value_in_window(function: Function, windowing: Windowing, state: State, window: Period) -> Decimal | None:
    """What a window comes to; None without recordings."""
    value = value_of(function, state) if state.events else None
    if value is None or windowing.rate is None:
        return value
    length = (window.end - window.start) // INSTANT
    return quotient(Fraction(value) * windowing.rate.seconds * _SECOND, length)


def values_across_segments(
    function: Function,
    windowing: Windowing,
    states: Sequence[States],
    windows: Sequence[Period],
    *,
    spans: Sequence[Period],
) -> list[Decimal]:
    """What falls to each segment of a billing period, in order; at least 0. ``spans`` are theirs.

    A distinct value counts in the first segment of its window that has it. Sums of windows add up; a window that is cut
    is divided as a period that is cut. The greatest window grows. Averages and percentiles are divided by time.
    """
    if len(spans) == 1:
        return [max(value_across(function, windowing, states[0], windows) or _NOTHING, _NOTHING)]
    if windowing.across == Across.SUM:
        return [max(value, _NOTHING) for value in _sums(function, windowing, states, windows, spans=spans)]
    reached = [
        max(value_across(function, windowing, _all_of(states[:end]), windows) or _NOTHING, _NOTHING)
        for end in range(1, len(states) + 1)
    ]
    if windowing.across == Across.MAX:
        # What is taken back later, a negative value for one, was never reached.
        lasting = [min(reached[place:]) for place in range(len(reached))]
        return [EXACT.subtract(now, before) for before, now in pairwise([_NOTHING, *lasting])]
    lengths = [(span.end - span.start) // INSTANT for span in spans]
    return shared_by_time(reached[-1], lengths)


def _sums(
    function: Function,
    windowing: Windowing,
    states: Sequence[States],
    windows: Sequence[Period],
    *,
    spans: Sequence[Period],
) -> list[Decimal]:
    found = [_NOTHING] * len(spans)
    for place in sorted({place for segment in states for place in segment}):
        here, window = [segment.get(place, State()) for segment in states], windows[place]
        if function.is_divided:
            value = value_in_window(function, windowing, together(here), window) or _NOTHING
            shared = [max(min(span.end, window.end) - max(span.start, window.start), 0 * INSTANT) for span in spans]
            parts = shared_by_time(value, [one // INSTANT for one in shared])
        else:
            running = [together(here[:end]) for end in range(1, len(here) + 1)]
            so_far = [value_in_window(function, windowing, one, window) or _NOTHING for one in running]
            parts = [EXACT.subtract(now, before) for before, now in pairwise([_NOTHING, *so_far])]
        found = [EXACT.add(total, part) for total, part in zip(found, parts, strict=True)]
    return found


def _all_of(states: Sequence[States]) -> States:
    if len(states) == 1:
        return states[0]
    places = {place for segment in states for place in segment}
    return {place: together(segment.get(place, State()) for segment in states) for place in places}


def _nearest_rank(values: Sequence[Decimal], empty: int, percent: Decimal) -> Decimal:
    """The smallest value that so many percent of all are not above: of n values the ceil(percent * n / 100)-th."""
    rank = ceil(Fraction(percent) * (len(values) + empty) / 100)
    below = sorted(value for value in values if value < 0)
    if rank <= len(below):
        return below[rank - 1]
    if rank <= len(below) + empty:
        return _NOTHING
    return sorted(values)[rank - empty - 1]
