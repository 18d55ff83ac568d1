"""Spans of time: some are open on either side, some are where usage lies. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``start <= instant < end``; None leaves a side open."""

    start: datetime | None
    end: datetime | None


ALWAYS = Span(start=None, end=None)
"""Open on both sides."""


class Used(NamedTuple):
    """When the segment of a summary begins, and when the first and the last recording occurred that count in it."""

    period_start: datetime
    first: datetime
    last: datetime
