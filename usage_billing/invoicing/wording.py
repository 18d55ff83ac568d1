"""What an invoice says of a charge: a sentence for people, and the parts that it is made of. Pure.

The parts are stored beside the sentence, as JSON: quantities and money as plain decimals, days as ISO dates. A sentence
in another language is made of the same parts.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from usage_billing.core.instants import INSTANT

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


class Tongue(Protocol):
    """How a language says what stands on an invoice."""

    def text(self, english: str) -> str:
        """A sentence, or a pattern of one, as the language has it."""

    def number(self, plain: str) -> str:
        """A plain decimal with its thousands separated."""

    def days(self, days: Mapping[str, str]) -> str:
        """A span of days, both included: ``{"from", "to"}`` as ISO dates."""


class Wording(NamedTuple):
    """Which sentence it is, and what stands in it."""

    key: str
    args: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The sentence in English."""
        return sentence(self.key, self.args, _ENGLISH)


def sentence(key: str, args: Mapping[str, Any], tongue: Tongue) -> str:
    """The sentence ``key`` with these parts, as ``tongue`` says it."""
    parts = {
        "quantity": tongue.number(args["quantity"]) if "quantity" in args else "",
        "before": tongue.number(args["before"]) if "before" in args else "",
        "now": tongue.number(args["now"]) if "now" in args else "",
        "what": f"{args.get('unit')} ({args['cell']})" if "cell" in args else str(args.get("unit")),
        "name": args.get("name", ""),
        "days": tongue.days(args),
    }
    return tongue.text(SENTENCES[key]).format_map(parts) + _why(args, tongue)


@lru_cache(maxsize=1024)
def days_of(start: datetime, end: datetime, zone: str) -> Mapping[str, str]:
    """The local days of a period, the last one included: what stands in a sentence of it."""
    first, last = (at.astimezone(ZoneInfo(zone)).date() for at in (start, max(start, end - INSTANT)))
    return {"from": first.isoformat(), "to": last.isoformat()}


def days_text(days: Mapping[str, str]) -> str:
    """``1 to 31 March 2026``, or as much of both days as tells them apart."""
    first, last = date.fromisoformat(days["from"]), date.fromisoformat(days["to"])
    if first == last:
        return _day(last)
    if first.year != last.year:
        return f"{_day(first)} to {_day(last)}"
    month = "" if first.month == last.month else f" {_MONTHS[first.month - 1]}"
    return f"{first.day}{month} to {_day(last)}"


def grouped(number: str) -> str:
    """A plain decimal with its thousands separated: ``-1,234.5``."""
    whole, dot, rest = number.partition(".")
    return f"{int(whole):,}{dot}{rest}" if whole not in {"-0", "-"} else number


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _why(args: Mapping[str, Any], tongue: Tongue) -> str:
    """Why the amount is not the quantity's alone."""
    found = ""
    for name, pattern in REASONS.items():
        if name in args:
            number = args[name] if name == "discountPercent" else tongue.number(args[name])
            found += tongue.text(pattern).format(number)
    return found


SENTENCES = {
    "usage": "{quantity} {what} beyond the allowance, {days}",
    "usage_adjustment": "Adjustment: {what} beyond the allowance from {before} to {now}, {days}",
    "whole": "All {what}, {days}",
    "whole_adjustment": "Adjustment: all {what}, {days}",
    "fee": "{name}, {days}",
    "fee_adjustment": "Adjustment: {name}, {days}, from {before} to {now}",
    "purchase": "{quantity} x {name}, {days}",
    "purchase_adjustment": "Adjustment: {quantity} x {name}, {days}, from {before} to {now}",
}
"""What an item says, by its key. A cell of a price by dimension stands behind the unit; its name is data."""

REASONS = {
    "discountPercent": ", less {} %",
    "minimumAmount": ", raised to the minimum of {}",
    "maximumAmount": ", lowered to the maximum of {}",
}


class _English:
    def text(self, english: str) -> str:
        return english

    def number(self, plain: str) -> str:
        return grouped(plain)

    def days(self, days: Mapping[str, str]) -> str:
        return days_text(days)


_ENGLISH = _English()
