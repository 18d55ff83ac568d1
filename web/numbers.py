"""Numbers, money, days and times as the reader's language writes them; no figure loses a digit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal

from usage_billing.core.decimals import plain
from usage_billing.core.instants import INSTANT
from usage_billing.documents.languages import language
from web.texts import sentences

_NO_BREAK = "\u00a0"
_MINUS = "\u2212"
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes for one reader: the language, and the IANA zone that days and times are told in."""

    locale: str
    zone: str

    def number(self, value: str | Decimal) -> str:
        """All digits, the thousands separated: ``14,672,569.5``."""
        exact = Decimal(plain(Decimal(value)))
        return _minus(format_decimal(exact, locale=_tag(self.locale), decimal_quantization=False))

    def money(self, value: str | Decimal, currency: str) -> str:
        """With the currency's minor unit always: ``€240.00``. A unit price keeps all the places that it has."""
        return language(self.locale).money(value, currency)

    def held(self, value: str | Decimal, unit: Mapping[str, Any]) -> str:
        """What a wallet of this unit holds: money with its minor unit, and units as a number."""
        return self.money(value, unit["currency"]) if unit.get("currency") else self.number(value)

    def about(self, value: Decimal, currency: str) -> str:
        """An estimate: whole units alone, ``€950``, so that it looks like no sum that is owed."""
        return language(self.locale).money(value.to_integral_value(ROUND_HALF_UP), currency, places=0)

    def percent(self, part: Decimal, whole: Decimal) -> str:
        """Whole, rounded down: 100 % is not shown before it is reached; what is above 0 and below 1 is <1 %."""
        share = (part * 100 / whole).to_integral_value(ROUND_FLOOR) if whole else Decimal(0)
        text = "<1" if not share and part > 0 else self.number(share)
        return f"{text}{_NO_BREAK}%"

    def change(self, now: Decimal, before: Decimal) -> str:
        """How much more or less, in per cent, with its sign; nothing where there was nothing before."""
        if not before:
            return ""
        share = ((now - before) * 100 / before).to_integral_value(ROUND_FLOOR if now >= before else None)
        return f"{'+' if share >= 0 else ''}{self.number(share)}{_NO_BREAK}%"

    def day(self, instant: str | datetime) -> str:
        """``19 November 2026``."""
        return format_date(self._date(instant), _LONG.get(self.locale, "long"), locale=_tag(self.locale))

    def short_day(self, instant: str | datetime) -> str:
        """``19 Nov 2026``, for tables."""
        return format_date(self._date(instant), _MEDIUM.get(self.locale, "medium"), locale=_tag(self.locale))

    def month(self, instant: str | datetime) -> str:
        """``November 2026``."""
        return format_skeleton("yMMMM", self._local(instant), locale=_tag(self.locale))

    def month_of(self, instant: str | datetime) -> str:
        """``Nov``, for the axis of a picture; of the first month of a year ``Jan 2027``."""
        local = self._local(instant)
        return format_skeleton("yMMM" if local.month == 1 else "MMM", local, locale=_tag(self.locale))

    def time(self, instant: str | datetime) -> str:
        """``14:32``."""
        return format_time(self._local(instant), "HH:mm", locale=_tag(self.locale))

    def exact_time(self, instant: str | datetime) -> str:
        """``19 Nov 2026, 14:32:05``."""
        return f"{self.short_day(instant)}, {format_time(self._local(instant), 'HH:mm:ss', locale=_tag(self.locale))}"

    def span(self, start: str | datetime, end: str | datetime) -> str:
        """A span whose end is exclusive, by its last day: ``1 to 30 November 2026``."""
        first, last = self._date(start), self._date(_instant(end) - INSTANT)
        last_text = format_date(last, _LONG.get(self.locale, "long"), locale=_tag(self.locale))
        if last <= first:
            return last_text
        pattern = _SAME_MONTH[self.locale] if (first.year, first.month) == (last.year, last.month) else None
        if pattern is None and first.year == last.year:
            pattern = _SAME_YEAR[self.locale]
        begins = format_date(first, pattern or _LONG.get(self.locale, "long"), locale=_tag(self.locale))
        return self.say("%(start)s to %(end)s", start=begins, end=last_text)

    def window(self, start: str | datetime, by: str) -> str:
        """The name of a window of a chart: its day, its month, or its day and hour."""
        if by == "month":
            return self.month(start)
        if by == "hour":
            day = format_date(self._date(start), _DAY_ONLY[self.locale], locale=_tag(self.locale))
            return f"{day}, {self.time(start)}"
        return self.short_day(start)

    def left(self, span: timedelta) -> str:
        """Two units at most: ``11 days and 9 hours``."""
        days, rest = divmod(max(span, timedelta(0)), _DAY)
        hours, minutes = rest // _HOUR, rest % _HOUR // _MINUTE
        counted = [
            (days, self.say_n("%(n)s day", "%(n)s days", days)),
            (hours, self.say_n("%(n)s hour", "%(n)s hours", hours)),
            (minutes, self.say_n("%(n)s minute", "%(n)s minutes", minutes)),
        ]
        first = next((place for place, (number, _) in enumerate(counted) if number), 2)
        said = [text for number, text in counted[first : first + 2] if number] or [counted[2][1]]
        return said[0] if len(said) == 1 else self.say("%(first)s and %(second)s", first=said[0], second=said[1])

    def say(self, sentence: str, **parts: Any) -> str:
        """A sentence in the reader's language, with its parts in place; without parts it may have per cent signs."""
        said = sentences(self.locale).gettext(sentence)
        return said % parts if parts else said

    def say_n(self, one: str, many: str, number: int) -> str:
        """A sentence for a number of things, which it calls ``n``."""
        return sentences(self.locale).ngettext(one, many, number) % {"n": self.number(Decimal(number))}

    def _local(self, instant: str | datetime) -> datetime:
        return _instant(instant).astimezone(ZoneInfo(self.zone))

    def _date(self, instant: str | datetime) -> date:
        return self._local(instant).date()

    @property
    def helpers(self) -> dict[str, Callable[..., str]]:
        """What templates call, by name."""
        names = (
            "number",
            "money",
            "held",
            "about",
            "percent",
            "change",
            "day",
            "short_day",
            "month",
            "time",
            "exact_time",
            "span",
        )
        return {name: getattr(self, name) for name in (*names, "window", "left", "month_of")}


# English of the pages puts the day first, as invoices do.
_LONG = {"en": "d MMMM yyyy"}
_MEDIUM = {"en": "d MMM yyyy", "de": "d. MMM yyyy", "fr": "d MMM yyyy"}
_SAME_MONTH = {"en": "d", "de": "d.", "fr": "d"}
_SAME_YEAR = {"en": "d MMMM", "de": "d. MMMM", "fr": "d MMMM"}
_DAY_ONLY = {"en": "d MMM", "de": "d. MMM", "fr": "d MMM"}


@cache
def _tag(locale: str) -> Locale:
    """Read once: Babel reads a language by its name anew for each number. English is that of the United States."""
    return Locale.parse(locale)


def _minus(text: str) -> str:
    return text.replace("-", _MINUS)


def _instant(instant: str | datetime) -> datetime:
    return datetime.fromisoformat(instant) if isinstance(instant, str) else instant
