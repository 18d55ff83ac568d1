"""The windows of meters once more, from docs/metering.md: by one recording after the other. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from usage_billing.reports.verify.calendar import Rhythm, period_of
from usage_billing.reports.verify.functions import Heap, Span, exactly, half_up, joined

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK, _HOUR = timedelta(minutes=5), timedelta(hours=1)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_ADD_UP, _GROW = ("sum", "count"), ("max", "unique_count")


class Cut(NamedTuple):
    """How a period is cut into windows: what a definition stores, and the subscription's time zone."""

    windowing: Mapping[str, Any]
    zone: str

    def window_of(self, at: datetime) -> Span:
        """The window around an instant."""
        return _window(self.windowing["every"], self.zone, at)


@lru_cache(maxsize=32_768)
def _window(every: str, zone: str, at: datetime) -> Span:
    if every == "day":
        return period_of(Rhythm(zone, "day"), at)
    if every == "5m":
        start = _EPOCH + (at - _EPOCH) // _TICK * _TICK
        return start, start + _TICK
    # An hour of the local clock: full ones, and none goes on where the clocks change by a part of one.
    start = at - (at - _EPOCH + _odd(zone, at)) % _HOUR
    end = start + _HOUR
    ticks = [start + number * _TICK for number in range(13)]
    first = min(tick for tick in ticks if tick <= at and all(_odd(zone, t) == _odd(zone, at) for t in _on(tick, at)))
    changed = [tick for tick in ticks if at < tick < end and _odd(zone, tick) != _odd(zone, at)]
    return first, min([end, *changed])


def _on(start: datetime, end: datetime) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += _TICK


def _odd(zone: str, at: datetime) -> timedelta:
    """By what part of an hour the local clock is ahead."""
    return (at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()) % _HOUR


@lru_cache(maxsize=64)
def windows_over(cut_every: str, zone: str, spans: tuple[Span, ...]) -> int:
    """How many windows these spans touch."""
    found = set[Span]()
    for start, end in spans:
        at = start
        while at < end:
            window = _window(cut_every, zone, at)
            found.add(window)
            at = window[1]
    return len(found)


def in_windows(
    function: str, cut: Cut, heaps: Sequence[Mapping[Span, Heap]], spans: Sequence[Span], place: int
) -> Decimal:
    """What falls to segment number ``place``, of which ``heaps`` has the recordings by window."""
    across = cut.windowing["across"]
    if across == "sum":
        return exactly(max(_own_part(function, cut, heaps, spans, place), Fraction(0)))
    number = windows_over(cut.windowing["every"], cut.zone, tuple(spans))
    so_far = [_whole(function, cut, heaps[: end + 1], number) for end in range(len(spans))]
    if across == "max":
        with_it = min(so_far[place:])
        return exactly(with_it - (min(so_far[place - 1 :]) if place else 0))
    times = [(end - start) // timedelta(microseconds=1) for start, end in spans]
    ends, begins = (half_up(so_far[-1] * Fraction(sum(times[:end]), sum(times))) for end in (place + 1, place))
    return exactly(ends - begins)


def _own_part(
    function: str, cut: Cut, heaps: Sequence[Mapping[Span, Heap]], spans: Sequence[Span], place: int
) -> Fraction:
    """What of each window falls to the segment, added up."""
    found = Fraction(0)
    for window in {window for heap in heaps for window in heap}:
        here = [heap.get(window, Heap()) for heap in heaps]
        if function in _ADD_UP or function in _GROW:
            with_it, before = (_value(function, cut, window, here[:end]) or 0 for end in (place + 1, place))
            found += with_it - before
            continue
        value = _value(function, cut, window, here) or Fraction(0)
        shared = [max(min(end, window[1]) - max(start, window[0]), timedelta(0)) for start, end in spans]
        parts = [one // timedelta(microseconds=1) for one in shared]
        ends, begins = (half_up(value * Fraction(sum(parts[:end]), sum(parts))) for end in (place + 1, place))
        found += ends - begins
    return found


def _whole(function: str, cut: Cut, heaps: Sequence[Mapping[Span, Heap]], number: int) -> Fraction:
    """What all windows come to, of recordings in these segments; at least 0."""
    used = {window for heap in heaps for window in heap}
    found = [_value(function, cut, window, [heap[window] for heap in heaps if window in heap]) for window in used]
    values = sorted(value for value in found if value is not None)
    if cut.windowing["empty"] == "zero":
        values = sorted(values + [Fraction(0)] * (number - len(values)))
    if not values:
        return Fraction(0)
    match cut.windowing["across"]:
        case "max":
            whole = values[-1]
        case "average":
            whole = half_up(sum(values, Fraction(0)) / len(values))
        case _:
            whole = values[ceil(Fraction(cut.windowing["percent"]) * len(values) / 100) - 1]
    return max(whole, Fraction(0))


def _value(function: str, cut: Cut, window: Span, heaps: Sequence[Heap]) -> Fraction | None:
    heap = joined(heaps)
    value = heap.result(function) if heap.number else None
    rate = cut.windowing["rate"]
    if value is None or rate is None:
        return value
    return half_up(value * _SECONDS[rate] / Fraction((window[1] - window[0]) // timedelta(microseconds=1), 10**6))
