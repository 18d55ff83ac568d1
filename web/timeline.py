"""The picture of what was agreed when: spans on plans, pauses, what is planned, and where today is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH = 1000
"""The units that the whole picture is wide."""

_BEFORE, _AFTER = timedelta(days=365), timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedSpan:
    """A span of a subscription on a plan, or paused; ``ends_at`` None: for ever."""

    plan: str
    starts_at: datetime
    ends_at: datetime | None
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A span as it is drawn: from ``x``, ``width`` wide, over, in force, planned or paused."""

    x: int
    width: int
    state: str
    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The begin of a month on the picture."""

    x: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All of it; ``today`` and ``end`` are places, None for what lies outside or is not agreed."""

    blocks: Sequence[Block]
    months: Sequence[Mark]
    today: int | None
    end: int | None


def draw(spans: Sequence[AgreedSpan], months: Sequence[datetime], *, now: datetime) -> Picture:
    """Draw ``spans``, which are in order, over at most the last year and two months after what is planned.

    ``months`` are the instants at which months begin; those outside are left out.
    """
    first, last = bounds(spans, now=now)
    whole = last - first

    def place(instant: datetime) -> int:
        return int(max(timedelta(0), min(instant, last) - first) * WIDTH // whole)

    blocks = [
        Block(x=place(one.starts_at), width=place(one.ends_at or last) - place(one.starts_at), state=_state(one, now),
              plan=one.plan)
        for one in spans
        if (one.ends_at is None or one.ends_at > first) and one.starts_at < last
    ]  # fmt: skip
    ended = spans[-1].ends_at if spans else None
    return Picture(
        blocks=blocks,
        months=[Mark(x=place(one), at=one) for one in months if first <= one < last],
        today=place(now) if first <= now <= last else None,
        end=place(ended) if ended is not None and ended <= last else None,
    )


def bounds(spans: Sequence[AgreedSpan], *, now: datetime) -> tuple[datetime, datetime]:
    """From when until when a picture of these spans shows."""
    first = max(spans[0].starts_at, now - _BEFORE) if spans else now - _BEFORE
    known = [now, *(one.starts_at for one in spans), *(one.ends_at for one in spans if one.ends_at is not None)]
    last = max(known) + _AFTER
    return min(first, last - _AFTER), last


def _state(one: AgreedSpan, now: datetime) -> str:
    if one.ends_at is not None and one.ends_at <= now:
        return "paused over" if one.paused else "over"
    if one.paused:
        return "paused"
    return "planned" if one.starts_at > now else "force"
