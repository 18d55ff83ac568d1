"""How a meter looks at a billing period window by window, read from what a caller gives. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from usage_billing.core.decimals import NotADecimal, parse_number, plain
from usage_billing.core.errors import InvalidInput

_ALL = Decimal(100)


class Every(StrEnum):
    """How long a window is, on the subscription's clock."""

    FIVE_MINUTES = "5m"
    HOUR = "hour"
    DAY = "day"


class Across(StrEnum):
    """How the windows of a billing period become one quantity."""

    MAX = "max"
    SUM = "sum"
    AVERAGE = "average"
    PERCENTILE = "percentile"


class Empty(StrEnum):
    """What a window without recordings is: 0, or none at all."""

    ZERO = "zero"
    SKIP = "skip"


class Rate(StrEnum):
    """The time by which what came together in a window is divided by: so much in each second of it, and so on."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def seconds(self) -> int:
        """How long it is."""
        return {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """Windows ``every`` so long, and how they become one quantity; ``percent`` is given for a percentile only."""

    every: Every
    across: Across
    percent: Decimal | None = None
    empty: Empty = Empty.ZERO
    rate: Rate | None = None

    def fields(self) -> dict[str, str | None]:
        """As it is stored."""
        percent = None if self.percent is None else plain(self.percent)
        return {"every": self.every, "across": self.across, "percent": percent, "empty": self.empty, "rate": self.rate}


def read_windowing(given: Mapping[str, Any], *, adds_up: bool) -> Windowing:
    """The windows that a caller gives; raises InvalidInput. ``adds_up``: the meter's function is a sum or a count."""
    for unknown in sorted(given.keys() - {"every", "across", "percent", "empty", "rate"}):
        raise InvalidInput.field(f"/window/{unknown}", "is not a field of a window", code="unknown")
    every, across = (_word(given, name, kind) for name, kind in (("every", Every), ("across", Across)))
    for name, found in (("every", every), ("across", across)):
        if found is None:
            raise InvalidInput.field(f"/window/{name}", "is required", code="required")
    rate = _word(given, "rate", Rate)
    if rate is not None and not adds_up:
        message = "divides what adds up in a window: it is for sum and count"
        raise InvalidInput.field("/window/rate", message, code="contradiction")
    return Windowing(
        every=Every(str(every)),
        across=Across(str(across)),
        percent=_percent(given.get("percent"), is_wanted=across == Across.PERCENTILE),
        empty=Empty(_word(given, "empty", Empty) or Empty.ZERO),
        rate=None if rate is None else Rate(rate),
    )


def stored_windowing(stored: Mapping[str, Any]) -> Windowing:
    """The windows that ``Windowing.fields`` wrote."""
    return Windowing(
        every=Every(stored["every"]),
        across=Across(stored["across"]),
        percent=None if stored["percent"] is None else Decimal(stored["percent"]),
        empty=Empty(stored["empty"]),
        rate=None if stored["rate"] is None else Rate(stored["rate"]),
    )


def _word(given: Mapping[str, Any], name: str, kind: type[StrEnum]) -> str | None:
    word = given.get(name)
    if word is not None and (not isinstance(word, str) or word not in set(kind)):
        message = f"must be one of: {', '.join(kind)}"
        raise InvalidInput.field(f"/window/{name}", message, code="not_supported")
    return word


def _percent(given: Any, *, is_wanted: bool) -> Decimal | None:
    if given is None:
        if is_wanted:
            raise InvalidInput.field("/window/percent", "a percentile needs it: 95, for example", code="required")
        return None
    if not is_wanted:
        raise InvalidInput.field("/window/percent", "is of a percentile, and across is none", code="contradiction")
    try:
        percent = parse_number(str(given), maximum=_ALL)
    except NotADecimal as error:
        raise InvalidInput.field("/window/percent", str(error), code="not_a_decimal") from error
    if not percent:
        raise InvalidInput.field("/window/percent", "must be above 0 and at most 100", code="out_of_range")
    return percent
