"""Prices in fractions, written from the product's table of models and from nothing else."""

from fractions import Fraction
from math import ceil, floor
from typing import Any

Price = dict[str, Any]


def half_up(amount: Fraction, digits: int) -> Fraction:
    """To so many decimal places; halves away from zero for the amounts that occur, which are never negative."""
    return Fraction(floor(amount * 10**digits + Fraction(1, 2)), 10**digits)


def cost(price: Price, quantity: Fraction, recordings: int, *, digits: int = 2) -> Fraction:
    """What ``quantity`` beyond the limit costs."""
    amount = _model(price, quantity, recordings) if quantity else Fraction(0)
    amount *= 1 - _value(price, "discountPercent") / 100
    if "minimumAmount" in price:
        amount = max(amount, _value(price, "minimumAmount"))
    if "maximumAmount" in price:
        amount = min(amount, _value(price, "maximumAmount"))
    return half_up(amount, digits)


def _value(fields: Price, name: str) -> Fraction:
    return Fraction(fields.get(name) or 0)


def _model(price: Price, quantity: Fraction, recordings: int) -> Fraction:
    free = max(Fraction(0), quantity - _value(price, "freeUnits"))
    return {
        "per_unit": lambda: quantity * _value(price, "unitPrice"),
        "graduated": lambda: _graduated(price["tiers"], quantity),
        "volume": lambda: _volume(price["tiers"], quantity),
        "package": lambda: ceil(free / _value(price, "packageSize")) * _value(price, "packagePrice"),
        "percentage": lambda: free * _value(price, "rate") + recordings * _value(price, "fixedFee"),
        "flat": lambda: _value(price, "amount"),
    }[price["model"]]()


def _graduated(tiers: list[Price], quantity: Fraction) -> Fraction:
    """Unit by unit as it were: what lies above the tier before, up to this tier's end."""
    floors = [Fraction(0), *(Fraction(tier["upTo"]) for tier in tiers[:-1])]
    amount = Fraction(0)
    for below, tier in zip(floors, tiers, strict=True):
        top = quantity if tier["upTo"] is None else min(quantity, Fraction(tier["upTo"]))
        if top > below:
            amount += (top - below) * _value(tier, "unitPrice") + _value(tier, "flatFee")
    return amount


def _volume(tiers: list[Price], quantity: Fraction) -> Fraction:
    tier = next(t for t in tiers if t["upTo"] is None or quantity <= Fraction(t["upTo"]))
    return quantity * _value(tier, "unitPrice") + _value(tier, "flatFee")
