"""Turns a stored price and a quantity into an amount: it charges the quantity exactly, and rounds once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from usage_billing.core.errors import InvalidInput
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.core.money import round_to_minor_unit
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.price import Price, parse_price
from usage_billing.rating.pricing.base import Line, total_of
from usage_billing.rating.pricing.by_dimension import ByDimension

# What the columns of totals and of amounts hold: numeric(40, 12) and numeric(48, 4).
_LARGEST_TOTAL = Decimal(10) ** 28 - 1
_AMOUNTS_END = Decimal(10) ** 44


@dataclass(frozen=True, slots=True)
class RatedAmount:
    """An amount and how it came about: ``lines`` add up to ``exact``, which is rounded once to ``amount``."""

    lines: list[Line]
    exact: Decimal
    amount: Decimal


def rate(
    price: Price, quantity: Decimal, *, recordings: int, currency: str, each: Sequence[Decimal] = ()
) -> RatedAmount:
    """Charge ``quantity``, reported in so many ``recordings``, rounded half up to ``currency``'s minor unit.

    ``each`` has what each of them reported, in the order recorded, for a price that ``reads_each``.
    """
    lines = price.lines(quantity, recordings=recordings, each=each)
    exact = total_of(lines)
    return RatedAmount(lines=lines, exact=exact, amount=round_to_minor_unit(exact, minor_unit(currency)))


def check_storable(price: Price, *, pointer: str = "/price") -> None:
    """Raises InvalidInput for a price by which the largest total of a period charges more than an item can hold."""
    if isinstance(price.model, ByDimension):
        for cell in price.model.prices.values():
            check_storable(cell, pointer=pointer)
    lines = price.lines(_LARGEST_TOTAL, recordings=MAX_BIGINT, each=[_LARGEST_TOTAL])
    if abs(total_of(lines)) >= _AMOUNTS_END:
        message = "charges more for the largest quantity than an invoice can hold"
        raise InvalidInput.field(pointer, message, code="out_of_range")


def amount_for(price: Mapping[str, Any], quantity: Decimal, *, recordings: int, currency: str) -> Decimal:
    """The amount for ``quantity`` at a stored price, in units of ``currency``, rounded half up to its minor unit."""
    return rate(stored_price(price), quantity, recordings=recordings, currency=currency).amount


def stored_price(price: Mapping[str, Any]) -> Price:
    """The price in its stored form ``price``. The few prices of a catalogue are read once and kept."""
    return _parsed(msgspec.json.encode(price))


@lru_cache(maxsize=1024)
def _parsed(text: bytes) -> Price:
    return parse_price(msgspec.json.decode(text))
