"""Spans of time that may be open on either side. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``start <= instant < end``; None leaves a side open."""

    start: datetime | None
    end: datetime | None


ALWAYS = Span(start=None, end=None)
"""Open on both sides."""
