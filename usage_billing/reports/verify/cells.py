"""Prices by dimension once more, from docs/pricing.md and not from the code they check. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import msgspec

from usage_billing.core.decimals import EXACT
from usage_billing.reports.verify.allowance import Bounds, Stretch, allowances
from usage_billing.reports.verify.cell_totals import DEFAULT, Counted, cells_in, has_cells
from usage_billing.reports.verify.together import Charged, dues

NOTHING = Decimal(0)
WHOLE = ""
_ATOM = 10**12  # shares have so many parts of a unit
_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as its cells see it: ``charged`` says its span and whole price, ``counted`` what came to it."""

    charged: Charged
    stretch: Stretch
    allowance: Decimal | None
    counted: Counted


def dues_by_cell(
    bounds: Bounds, ended: datetime | None, segments: Sequence[Segment], *, currency: str
) -> list[dict[str, Decimal] | None]:
    """What each segment owes by cell; None for one whose price has none. Raises one of UNREADABLE."""
    counted = [one.counted for one in segments]
    prices = [one.charged.price or {} for one in segments]
    split = [
        cells_in(price, counted, place) if has_cells(one.charged.price) else None
        for place, (one, price) in enumerate(zip(segments, prices, strict=True))
    ]
    beyond = _beyond(bounds, segments, split)
    found: list[dict[str, Decimal]] = [{} for _ in segments]
    for name in dict.fromkeys(name for one in split if one is not None for name in one):
        here = [
            replace(one.charged, price=_part(one.charged.price, name), quantity=left.get(name, NOTHING))
            for one, left in zip(segments, beyond, strict=True)
        ]
        for owed, due, cell in zip(found, dues(bounds, ended, here, currency=currency), here, strict=True):
            if cell.price is not None:
                owed[name] = due.amount
    money = [sum(owed.values(), NOTHING) for owed in found]
    wholes = [
        one.charged if parts is None else replace(one.charged, price=_around(one.charged.price or {}), quantity=amount)
        for one, parts, amount in zip(segments, split, money, strict=True)
    ]
    for whole, due, owed, amount in zip(
        wholes, dues(bounds, ended, wholes, currency=currency), found, money, strict=True
    ):
        if whole.price is not None:
            owed[WHOLE] = due.amount - (amount if "of" in whole.price else NOTHING)
    return [
        None if parts is None and one.charged.price is None else owed
        for one, parts, owed in zip(segments, split, found, strict=True)
    ]


def _beyond(
    bounds: Bounds, segments: Sequence[Segment], split: Sequence[dict[str, Decimal] | None]
) -> list[dict[str, Decimal]]:
    """What of each cell lies beyond its part of the allowance."""
    limited: dict[str, list[Decimal]] = {}
    found: list[dict[str, Decimal]] = []
    for index, (one, totals) in enumerate(zip(segments, split, strict=True)):
        price = one.charged.price or {}
        if totals is None:
            found.append({})
        elif price["allowance"] == "limit":
            for name in totals:
                if name not in limited:
                    limited[name] = _beyond_limit(bounds, segments, split, name)
            found.append({name: limited[name][index] for name in totals})
        elif price["allowance"] == "in_order":
            left, beyond = one.allowance or NOTHING, dict[str, Decimal]()
            for name, total in totals.items():
                beyond[name] = max(EXACT.subtract(total, left), NOTHING)
                left = max(EXACT.subtract(left, total), NOTHING)
            found.append(beyond)
        else:
            found.append(_in_proportion(totals, one.allowance or NOTHING))
    return found


def _in_proportion(totals: Mapping[str, Decimal], allowance: Decimal) -> dict[str, Decimal]:
    whole = sum((Fraction(total) for total in totals.values()), Fraction(0))
    if whole <= allowance:
        return dict.fromkeys(totals, NOTHING)
    covered = {name: floor(Fraction(allowance) * Fraction(total) / whole * _ATOM) for name, total in totals.items()}
    rest = int(Fraction(allowance) * _ATOM) - sum(covered.values())
    names = list(totals)
    for name in sorted(names, key=lambda one: (-totals[one], names.index(one))):
        taken = min(rest, int(Fraction(totals[name]) * _ATOM) - covered[name])
        covered[name] += taken
        rest -= taken
    return {name: EXACT.subtract(total, Decimal(covered[name]).scaleb(-12)) for name, total in totals.items()}


def _beyond_limit(
    bounds: Bounds,
    segments: Sequence[Segment],
    split: Sequence[dict[str, Decimal] | None],
    name: str,
) -> list[Decimal]:
    """In each segment, by a budget of the cell's own.

    A segment whose price has no such cell, or whose cells share one allowance, lies outside.
    """
    stretches = [replace(one.stretch, limit=_limit(one.charged.price, name)) for one in segments]
    used = [
        NOTHING if totals is None or stretch.limit is None else totals[name]
        for totals, stretch in zip(split, stretches, strict=True)
    ]
    bounded = zip(used, allowances(bounds, stretches, used), strict=True)
    return [max(EXACT.subtract(quantity, bound or NOTHING), NOTHING) for quantity, bound in bounded]


def _limit(price: Mapping[str, Any] | None, name: str) -> Decimal | None:
    if price is None or not has_cells(price) or price["allowance"] != "limit":
        return None
    found = {str(cell["name"]): Decimal(cell.get("limit") or 0) for cell in price["cells"]} | {DEFAULT: NOTHING}
    return found.get(name)


def _part(price: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    """A cell's price, which is another one where the whole price is."""
    if price is None or not has_cells(price):
        return None
    prices = {str(cell["name"]): cell["price"] for cell in price["cells"]} | {DEFAULT: price["default"]}
    return {**prices[name], "of": _encoder.encode(price)} if name in prices else None


def _around(price: Mapping[str, Any]) -> dict[str, Any] | None:
    """The price of the money that all cells come to; None where nothing is added to it."""
    given = {name: price[name] for name in ("discountPercent", "minimumAmount", "maximumAmount") if name in price}
    return {"model": "per_unit", "unitPrice": "1", **given, "of": _encoder.encode(price)} if given else None
