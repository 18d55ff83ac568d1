"""Usage around the clock changes of 2026, and what windows of local time have of it: by brute force."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

# A zone, and the days of 2026 on which its clocks change: an hour, on Lord Howe half an hour.
CHANGES = {
    "Europe/Berlin": ((3, 29), (10, 25)),
    "America/New_York": ((3, 8), (11, 1)),
    "Australia/Lord_Howe": ((4, 5), (10, 4)),
}
STEP = timedelta(minutes=30)
MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Used:
    """So many units at an instant."""

    at: datetime
    quantity: int


def days_of(zone: str, *, change: tuple[int, int]) -> tuple[datetime, datetime]:
    """The day before a clock change, the day itself and the day after it."""
    noon = datetime(2026, *change, 12)
    first, last = (noon.replace(hour=0) + timedelta(days=days) for days in (-1, 2))
    start, end = (one.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for one in (first, last))
    return start, end


def used_around(zone: str, *, change: tuple[int, int]) -> list[Used]:
    """Usage every half hour of those days, and in the last microsecond before each; no two of a quantity."""
    start, end = days_of(zone, change=change)
    steps = [start + STEP * n for n in range((end - start) // STEP)]
    instants = sorted([*steps, *(at - MOMENT for at in steps[1:])])
    return [Used(at, n) for n, at in enumerate(instants, start=1)]


def window_of(at: datetime, *, by: str, zone: str) -> Hashable:
    """Which window of local time an instant lies in: an hour that a clock shows twice is two windows."""
    local = at.astimezone(ZoneInfo(zone))
    names: dict[str, Hashable] = {
        "hour": (local.date(), local.hour, local.utcoffset()),
        "day": local.date(),
    }
    return names[by]


def expected(used: list[Used], *, by: str, zone: str) -> dict[Hashable, int]:
    """What was used in each window that has any."""
    found: Counter[Hashable] = Counter()
    for one in used:
        found[window_of(one.at, by=by, zone=zone)] += one.quantity
    return dict(found)


def answered(series: dict[str, Any], *, by: str, zone: str) -> dict[Hashable, int]:
    """What an answer of the API has in each window that has any; its windows follow each other without a gap."""
    windows = [tuple(datetime.fromisoformat(one[name]) for name in ("start", "end")) for one in series["windows"]]
    assert all(one[1] == other[0] for one, other in pairwise(windows)), series["windows"]
    (line,) = series["series"]
    named = [window_of(start, by=by, zone=zone) for start, _ in windows]
    assert len(set(named)) == len(named), "a window comes twice"
    return {name: int(value) for name, value in zip(named, line["values"], strict=True) if value != "0"}
