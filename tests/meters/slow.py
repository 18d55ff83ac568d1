"""What meters come to, one recording after the other, as docs/metering.md says; nothing here is the product's.

A subscription that is billed by calendar months of one time zone, and may be paused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

Span = tuple[datetime, datetime]
Value = Callable[[Mapping[str, Any]], Any]
_INSTANT = timedelta(microseconds=1)
_UNITS = {"second": 10**6, "hour": 3600 * 10**6, "day": 86_400 * 10**6}


@dataclass
class Use:
    """A recording: when it occurred, its place among all recordings, what it says, and whether it still counts."""

    id: UUID
    at: datetime
    place: int
    metadata: Mapping[str, Any]
    counts: bool = True


@dataclass(frozen=True)
class Way:
    """How a recording is counted: spelled for the product, and as Python. ``met`` may be None: that is not known."""

    terms: Mapping[str, Any]
    met: Value
    value: Value

    def of(self, use: Use) -> Any:
        """The value of a recording that counts, else None."""
        return self.value(use.metadata) if use.counts and self.met(use.metadata) else None


@dataclass
class Counter:
    """A meter: its function, how it counts, by the first period that each way holds for, and a level's terms."""

    name: str
    function: str
    since: datetime
    ways: list[tuple[datetime, Way]]
    mode: str = ""
    per: str = ""
    carry: bool = False

    def way(self, period: datetime) -> Way:
        """That of a period."""
        return [way for since, way in self.ways if since <= period][-1]


@dataclass
class Books:
    """Everything that was recorded, and when the subscription ran."""

    zone: str
    started: datetime
    uses: list[Use] = field(default_factory=list)
    pauses: list[list[datetime]] = field(default_factory=list)

    def period(self, at: datetime) -> Span:
        """The calendar month around an instant."""
        local = at.astimezone(ZoneInfo(self.zone))
        first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
        after = (first + timedelta(days=32)).replace(day=1)
        return tuple(one.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC) for one in (first, after))  # type: ignore[return-value]

    def runs(self, at: datetime) -> bool:
        """Whether it ran then."""
        return at >= self.started and not any(
            pause[0] <= at and (len(pause) == 1 or at < pause[1]) for pause in self.pauses
        )

    def counted(self, counter: Counter, span: Span) -> list[tuple[Use, Any]]:
        """The recordings of a span that count, with their values, in the order in which they occurred."""
        found = []
        for use in sorted(self.uses, key=lambda use: (use.at, use.place)):
            if span[0] <= use.at < span[1] and use.at >= counter.since:
                value = counter.way(self.period(use.at)[0]).of(use)
                if value is not None:
                    found.append((use, value))
        return found

    def total(self, counter: Counter, span: Span) -> Fraction:
        """What the function comes to over a span; 0 where that needs a recording. Not of a level."""
        values = [value for _, value in self.counted(counter, span)]
        if counter.function == "count":
            return Fraction(len(values))
        if counter.function == "unique_count":
            return Fraction(len(set(values)))
        if counter.function == "sum":
            return sum(values, Fraction(0))
        if not values:
            return Fraction(0)
        if counter.function == "average":
            return half_up(sum(values, Fraction(0)) / len(values))
        picked: dict[str, Callable[[Sequence[Fraction]], Fraction]] = {
            "max": max, "min": min, "latest": lambda all: all[-1]
        }  # fmt: skip
        return picked[counter.function](values)

    def seen(self, counter: Counter, period: Span, *, now: datetime) -> Fraction:
        """The distinct values that are carried into a period, and those of it; 0 if it has not run by ``now``."""
        starts = [max(period[0], self.started), *(pause[1] for pause in self.pauses if len(pause) == 2)]
        if not any(period[0] <= at < period[1] and at <= now and self.runs(at) for at in starts):
            return Fraction(0)
        return self.total(counter, (datetime.min.replace(tzinfo=UTC), period[1]))

    def of_models(self, counter: Counter, period: Span, models: Sequence[Any], *, now: datetime) -> Fraction:
        """What the recordings that name one of these models come to: a sum, a count or a level."""
        uses = [use for use in self.uses if any(_same(use.metadata.get("model"), one) for one in models)]
        books = replace(self, uses=uses)
        if counter.function == "level":
            return books.level(counter, period, now=now)[0]
        return books.total(counter, period)

    def level(self, counter: Counter, period: Span, *, now: datetime) -> tuple[Fraction, bool]:
        """What a level comes to in a period as of ``now``, and whether it ever is below 0 there."""
        steps = self.counted(counter, (datetime.min.replace(tzinfo=UTC) if counter.carry else period[0], period[1]))
        until = min(period[1], now)
        edges = sorted(
            {period[0], until, self.started, *(use.at for use, _ in steps), *(t for p in self.pauses for t in p)}
        )
        edges = [at for at in edges if period[0] <= at <= until]
        area, elapsed, negative = Fraction(0), 0, False
        stands: dict[Any, Fraction] = {}
        left = list(steps)
        for start, end in pairwise(edges):
            while left and left[0][0].at <= start:
                use, value = left.pop(0)
                named = counter.way(self.period(use.at)[0]).terms["dimensions"]
                series = repr(use.metadata.get("model")) if named else ""
                before = Fraction(0) if counter.mode == "set" else stands.get(series, Fraction(0))
                stands[series] = before + value
            if self.runs(start):
                now_stands = sum(stands.values(), Fraction(0))
                negative |= now_stands < 0
                area += now_stands * ((end - start) // _INSTANT)
                elapsed += (end - start) // _INSTANT
        if counter.per == "period":
            return (half_up(area / elapsed) if elapsed else Fraction(0)), negative
        return half_up(area / _UNITS[counter.per]), negative


def _same(given: Any, model: Any) -> bool:
    return given == model and type(given) is type(model)


def half_up(value: Fraction) -> Fraction:
    """To 12 places, away from zero at the half."""
    size = Fraction(floor(abs(value) * 10**12 + Fraction(1, 2)), 10**12)
    return size if value >= 0 else -size


def number(value: Any) -> Fraction | None:
    """A number, or a text that spells one plainly."""
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return None
    try:
        return half_up(Fraction(str(value))) if str(value) not in {"many", ""} else None
    except ValueError:
        return None
