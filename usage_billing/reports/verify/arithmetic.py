"""Prices computed once more, in fractions, by the rules of docs/pricing.md and not by the checked code. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any

from iso4217 import Currency

NOTHING = Fraction(0)
UNREADABLE = (ValueError, KeyError, TypeError, ZeroDivisionError, StopIteration, AttributeError)
"""What ``due`` raises for a price that it cannot read."""


def due(
    price: Mapping[str, Any], quantity: Decimal, recordings: int, *, currency: str, each: Sequence[Decimal] = ()
) -> Decimal:
    """What ``quantity`` beyond the limit costs, rounded half up to the minor unit. Raises one of UNREADABLE.

    ``each`` has the part of it that each recording reported; a price with a rule for each recording uses that alone.
    The answer is remembered by the price itself, which must not change.
    """
    if each:
        return _due(price, quantity, recordings, currency, each)
    return _remembered(Same(price), quantity, recordings, currency)


class Same:
    """A thing that is looked up as itself, and not by what it says."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing


@lru_cache(maxsize=4096)
def price_of(stored: str | None) -> Any:
    """A price from its JSON; equal texts give the same price, which must not be changed."""
    return None if stored is None else json.loads(stored)


@lru_cache(maxsize=16_384)
def _remembered(price: Same, quantity: Decimal, recordings: int, currency: str) -> Decimal:
    return _due(price.thing, quantity, recordings, currency, ())


def _due(
    price: Mapping[str, Any], quantity: Decimal, recordings: int, currency: str, each: Sequence[Decimal]
) -> Decimal:
    amount = _unrounded(price, Fraction(quantity), recordings, each)
    digits: int = Currency(currency).exponent or 0
    return Decimal(floor(amount * 10**digits + Fraction(1, 2))).scaleb(-digits)


def _unrounded(price: Mapping[str, Any], quantity: Fraction, recordings: int, each: Sequence[Decimal]) -> Fraction:
    if price["model"] == "by_dimension":  # what has no dimensions meets no cell
        amount = _unrounded(price["default"], quantity, 0, ())
    elif price["model"] == "percentage" and not quantity and not by_recording(price):
        amount = recordings * _number(price.get("fixedFee"))  # grants pay for no fees
    else:
        amount = _exact(price, _counted(price, quantity), recordings, each)
    amount -= amount * _number(price.get("discountPercent")) / 100
    if price.get("minimumAmount") is not None:
        amount = max(amount, _number(price["minimumAmount"]))
    if price.get("maximumAmount") is not None:
        amount = min(amount, _number(price["maximumAmount"]))
    return amount


def by_recording(price: Mapping[str, Any]) -> bool:
    """Whether a price has a rule for each recording."""
    return any(price.get(name) for name in ("freeRecordings", "minimumPerRecording", "maximumPerRecording"))


def _counted(price: Mapping[str, Any], quantity: Fraction) -> Fraction:
    rounding = price.get("roundQuantity")
    if rounding is None:
        return quantity
    steps = quantity / _number(rounding["to"])
    rounded = {"up": ceil(steps), "down": floor(steps), "nearest": floor(steps + Fraction(1, 2))}
    return rounded[rounding["mode"]] * _number(rounding["to"])


def _exact(price: Mapping[str, Any], quantity: Fraction, recordings: int, each: Sequence[Decimal]) -> Fraction:
    if quantity <= 0:
        return NOTHING
    if by_recording(price):
        return sum((_fee_of(price, part) for part in _not_free(price, each)), NOTHING)
    charged = max(quantity - _number(price.get("freeUnits")), NOTHING)
    match price["model"]:
        case "per_unit":
            amount = quantity * _number(price["unitPrice"])
        case "graduated":
            amount = _graduated(price["tiers"], quantity)
        case "volume":
            tier = next(t for t in price["tiers"] if t.get("upTo") is None or quantity <= _number(t["upTo"]))
            amount = quantity * _number(tier.get("unitPrice")) + _number(tier.get("flatFee"))
        case "package":
            amount = ceil(charged / _number(price["packageSize"])) * _number(price["packagePrice"])
        case "percentage":
            amount = charged * _number(price["rate"]) + recordings * _number(price.get("fixedFee"))
        case "flat":
            amount = _number(price["amount"])
        case other:
            raise ValueError(f"an unknown pricing model, {other}")
    return amount


def _graduated(tiers: list[Mapping[str, Any]], quantity: Fraction) -> Fraction:
    amount, below = NOTHING, NOTHING
    for tier in tiers:
        if quantity <= below:
            break
        top = quantity if tier.get("upTo") is None else min(quantity, _number(tier["upTo"]))
        amount += (top - below) * _number(tier.get("unitPrice")) + _number(tier.get("flatFee"))
        below = top
    return amount


def _not_free(price: Mapping[str, Any], each: Sequence[Decimal]) -> Iterator[Fraction]:
    """The charged quantity of each recording: none while both free recordings and free units are left."""
    number, units = int(price.get("freeRecordings") or 0), _number(price.get("freeUnits"))
    is_free = bool(number or units)
    used = NOTHING
    for place, given in enumerate(each, start=1):
        quantity = Fraction(given)
        is_free = is_free and not (number and place > number)
        used += quantity
        if not is_free:
            yield quantity
        elif units and used >= units:
            is_free = False
            if used > units:
                yield used - units


def _fee_of(price: Mapping[str, Any], charged: Fraction) -> Fraction:
    fee = charged * _number(price["rate"]) + _number(price.get("fixedFee"))
    if price.get("minimumPerRecording") is not None:
        fee = max(fee, _number(price["minimumPerRecording"]))
    if price.get("maximumPerRecording") is not None:
        fee = min(fee, _number(price["maximumPerRecording"]))
    return fee


@lru_cache(maxsize=4096)
def _number(text: str | None) -> Fraction:
    return NOTHING if text is None else Fraction(text)
