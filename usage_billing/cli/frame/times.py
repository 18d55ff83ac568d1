"""Types of arguments that are times or lengths of time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from usage_billing.cli.frame.kind import Kind
from usage_billing.core.choices import Effective
from usage_billing.core.spans import Span
from usage_billing.subscriptions.moments import NOW, PERIOD_END

NEVER = "never"
"""The word for no end."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])")
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class TimeType(Kind):
    """An instant: RFC 3339 with its offset, or a day in UTC."""

    name = "time"

    def read(self, text: str) -> datetime:
        """The instant, aware and in UTC."""
        try:
            instant = datetime.fromisoformat(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
            return _aware(instant).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("is no time such as 2026-01-31 or 2026-01-31T12:00:00Z") from None


class MonthType(Kind):
    """A month of the calendar in UTC."""

    name = "month"

    def read(self, text: str) -> Span:
        """Its time, the end excluded."""
        if _MONTH.fullmatch(text) is None:
            raise ValueError("is no month such as 2026-11")
        year, month = int(text[:4]), int(text[5:])
        following = (year + month // 12, month % 12 + 1)
        return Span(start=datetime(year, month, 1, tzinfo=UTC), end=datetime(*following, 1, tzinfo=UTC))


class TimeOrNeverType(TimeType):
    """An instant, or the word for none."""

    def read(self, text: str) -> datetime | str:  # type: ignore[override]
        """The word itself, or the instant."""
        return text if text == NEVER else super().read(text)


class LocalTimeType(Kind):
    """An instant with its offset, or a wall-clock time or day without one, which the command reads in a time zone."""

    name = "time"

    def read(self, text: str) -> datetime | str:
        """Aware in UTC, or without a zone: ``in_zone`` makes an instant of it."""
        try:
            instant = datetime.fromisoformat(f"{text}T00:00:00" if _DAY.fullmatch(text) else text)
            return instant if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("is no time such as 2026-01-31 or 2026-01-31T12:00:00Z") from None


class MomentType(LocalTimeType):
    """When something takes effect: one of a few words, or an instant."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def read(self, text: str) -> datetime | str:
        """The word, or the instant."""
        return text if text in self._words else super().read(text)


class SpanType(Kind):
    """A length of time, of at most ``longest``."""

    name = "span"

    def __init__(self, longest: timedelta | None = None) -> None:
        self._longest = longest

    def read(self, text: str) -> timedelta:
        """The length of time: a number with s, m, h or d."""
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValueError("is no span such as 90s, 30m, 24h or 7d")
        span = timedelta(**{_UNITS[found[2]]: int(found[1])})
        if self._longest is not None and span > self._longest:
            raise ValueError(f"must be {self._longest.days} days at most")
        return span


class SinceType(Kind):
    """A time, or how long ago it was."""

    name = "time"

    def read(self, text: str) -> datetime | timedelta:
        """The instant, aware and in UTC, or the length of time before now."""
        if _SPAN.fullmatch(text):
            return SPAN.read(text)
        try:
            return TIME.read(text)
        except ValueError:
            raise ValueError("is neither a span such as 30m or 2d nor a time such as 2026-01-31T12:00:00Z") from None


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("has no offset")
    return instant


def in_zone(moment: Any, zone: str) -> Any:
    """A time without an offset as the instant at which the clocks of ``zone`` show it; everything else as it is."""
    if not isinstance(moment, datetime) or moment.tzinfo is not None:
        return moment
    from usage_billing.core.periods import local_instant

    return local_instant(moment, zone=zone)


TIME = TimeType()
TIME_OR_NEVER = TimeOrNeverType()
LOCAL_TIME = LocalTimeType()
SPAN = SpanType()
SINCE = SinceType()
MOMENT = MomentType(NOW, PERIOD_END)
EFFECTIVE = MomentType(*(word.value for word in Effective if word != Effective.INSTANT))
MONTH = MonthType()
