"""What an invoice says of a charge: a sentence for people, and the parts that it is made of. Pure.

The parts are stored beside the sentence, as JSON: quantities and money as plain decimals, days as ISO dates. A sentence
in another language is made of the same parts.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
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


class Wording(NamedTuple):
    """Which sentence it is, and what stands in it."""

    key: str
    args: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The sentence in English."""
        return _SENTENCES[self.key](self.args)


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


def _usage(args: Mapping[str, Any]) -> str:
    return f"{grouped(args['quantity'])} {_what(args)} beyond the allowance, {days_text(args)}{_why(args)}"


def _usage_adjustment(args: Mapping[str, Any]) -> str:
    change = f"from {grouped(args['before'])} to {grouped(args['now'])}"
    return f"Adjustment: {_what(args)} beyond the allowance {change}, {days_text(args)}{_why(args)}"


def _whole(args: Mapping[str, Any]) -> str:
    """What the whole of a price by dimension adds to its cells."""
    return f"All {args['unit']}, {days_text(args)}{_why(args)}"


def _whole_adjustment(args: Mapping[str, Any]) -> str:
    return f"Adjustment: all {args['unit']}, {days_text(args)}{_why(args)}"


def _what(args: Mapping[str, Any]) -> str:
    """The unit, and the cell of a price by dimension, whose name is data and no pattern."""
    return f"{args['unit']} ({args['cell']})" if "cell" in args else str(args["unit"])


def _fee(args: Mapping[str, Any]) -> str:
    return f"{args['name']}, {days_text(args)}"


def _fee_adjustment(args: Mapping[str, Any]) -> str:
    return f"Adjustment: {_fee(args)}, from {grouped(args['before'])} to {grouped(args['now'])}"


def _why(args: Mapping[str, Any]) -> str:
    """Why the amount is not the quantity's alone."""
    found = ""
    if "discountPercent" in args:
        found += f", less {args['discountPercent']} %"
    if "minimumAmount" in args:
        found += f", raised to the minimum of {grouped(args['minimumAmount'])}"
    if "maximumAmount" in args:
        found += f", lowered to the maximum of {grouped(args['maximumAmount'])}"
    return found


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "usage": _usage,
    "usage_adjustment": _usage_adjustment,
    "whole": _whole,
    "whole_adjustment": _whole_adjustment,
    "fee": _fee,
    "fee_adjustment": _fee_adjustment,
}
