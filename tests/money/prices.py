"""Prices in fractions, written from the product's table of models and from nothing else."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

Price = dict[str, Any]


def half_up(amount: Fraction, digits: int) -> Fraction:
    """To so many decimal places; halves away from zero for the amounts that occur, which are never negative."""
    return Fraction(floor(amount * 10**digits + Fraction(1, 2)), 10**digits)


def cost(
    price: Price, quantity: Fraction, recordings: int, *, digits: int = 2, each: Sequence[Fraction] = ()
) -> Fraction:
    """What ``quantity`` beyond the limit costs; ``each`` is what of it each recording reported."""
    counted = _counted(price.get("roundQuantity"), quantity)
    amount = _model(price, counted, recordings, each) if counted else Fraction(0)
    amount *= 1 - _value(price, "discountPercent") / 100
    if "minimumAmount" in price:
        amount = max(amount, _value(price, "minimumAmount"))
    if "maximumAmount" in price:
        amount = min(amount, _value(price, "maximumAmount"))
    return half_up(amount, digits)


def _value(fields: Price, name: str) -> Fraction:
    return Fraction(fields.get(name) or 0)


def _counted(rounding: dict[str, str] | None, quantity: Fraction) -> Fraction:
    if rounding is None:
        return quantity
    steps = quantity / Fraction(rounding["to"])
    whole = {"up": ceil(steps), "down": floor(steps), "nearest": floor(steps + Fraction(1, 2))}[rounding["mode"]]
    return whole * Fraction(rounding["to"])


def _by_recording(price: Price, each: Sequence[Fraction]) -> Fraction:
    """The first that are free, while both what is free in number and what is free in units last; then each alone."""
    number, units = int(price.get("freeRecordings") or 0), _value(price, "freeUnits")
    amount, before, over = Fraction(0), Fraction(0), False
    for place, quantity in enumerate(each, start=1):
        charged: Fraction | None = quantity
        if not over and (number or units) and not (number and place > number):
            left = units - before if units else quantity
            charged = None if left >= quantity else quantity - left
            over = bool(units) and left <= quantity
        else:
            over = True
        before += quantity
        if charged is not None:
            fee = charged * _value(price, "rate") + _value(price, "fixedFee")
            if price.get("minimumPerRecording") is not None:
                fee = max(fee, _value(price, "minimumPerRecording"))
            if price.get("maximumPerRecording") is not None:
                fee = min(fee, _value(price, "maximumPerRecording"))
            amount += fee
    return amount


def _model(price: Price, quantity: Fraction, recordings: int, each: Sequence[Fraction]) -> Fraction:
    if any(price.get(name) for name in ("freeRecordings", "minimumPerRecording", "maximumPerRecording")):
        return _by_recording(price, each)
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
