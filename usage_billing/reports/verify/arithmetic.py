"""Prices once more, in fractions, written from product section 4 and not from the code it checks. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

from iso4217 import Currency

NOTHING = Fraction(0)
UNREADABLE = (ValueError, KeyError, TypeError, ZeroDivisionError, StopIteration, AttributeError)
"""What ``due`` raises for a price that is none."""


def due(price: Mapping[str, Any], quantity: Decimal, recordings: int, *, currency: str) -> Decimal:
    """What ``quantity`` beyond the limit costs, rounded half up to the minor unit. Raises one of UNREADABLE."""
    amount = _exact(price, Fraction(quantity), recordings)
    amount -= amount * _number(price.get("discountPercent")) / 100
    if price.get("minimumAmount") is not None:
        amount = max(amount, _number(price["minimumAmount"]))
    if price.get("maximumAmount") is not None:
        amount = min(amount, _number(price["maximumAmount"]))
    digits: int = Currency(currency).exponent or 0
    return Decimal(floor(amount * 10**digits + Fraction(1, 2))).scaleb(-digits)


def _exact(price: Mapping[str, Any], quantity: Fraction, recordings: int) -> Fraction:
    if quantity <= 0:
        return NOTHING
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


def _number(text: str | None) -> Fraction:
    return NOTHING if text is None else Fraction(text)
