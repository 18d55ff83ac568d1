"""Tax on the sums of an invoice: rounded once for each category and rate, never on lines. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT, plain, sum_of
from usage_billing.core.money import money_text, round_to_minor_unit
from usage_billing.rating.tax.categories import TaxCategory

_NOTHING, _PER_CENT = Decimal(0), Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTax:
    """How one item is taxed: ``rate`` in per cent, of ``country``; that is None where the rate is 0 everywhere."""

    category: str
    country: str | None
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """The tax of a category, country and rate: ``base`` and ``amount`` in units of the currency, ``rate`` in per cent.

    A negative base has a negative amount.
    """

    category: str
    country: str | None
    rate: Decimal
    base: Decimal
    amount: Decimal

    def kept(self, digits: int) -> dict[str, Any]:
        """As it is stored, amounts with ``digits`` places."""
        return {
            "category": self.category,
            "country": self.country,
            "rate": plain(self.rate),
            "base": money_text(self.base, digits),
            "amount": money_text(self.amount, digits),
        }

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "TaxLine":
        """What ``kept`` wrote."""
        figures = {name: Decimal(kept[name]) for name in ("rate", "base", "amount")}
        return cls(category=kept["category"], country=kept["country"], **figures)


def item_tax(category: TaxCategory, country: str | None, rate: Decimal) -> ItemTax:
    """How an item is taxed, by the categories of EN 16931: a lower rate is a rate of ``S``."""
    shown = TaxCategory.STANDARD if category == TaxCategory.LOWER else category
    return ItemTax(category=str(shown), country=country, rate=rate)


def tax_lines(taxed: Iterable[tuple[ItemTax, Decimal]], *, digits: int) -> list[TaxLine]:
    """The tax on items and their amounts, the highest rate first; ``digits`` are the currency's decimal places."""
    bases: dict[ItemTax, Decimal] = {}
    for tax, amount in taxed:
        bases[tax] = EXACT.add(bases.get(tax, _NOTHING), amount)
    lines = [
        TaxLine(
            category=tax.category,
            country=tax.country,
            rate=tax.rate,
            base=base,
            amount=round_to_minor_unit(EXACT.multiply(EXACT.multiply(base, tax.rate), _PER_CENT), digits),
        )
        for tax, base in bases.items()
    ]
    return sorted(lines, key=lambda line: (-line.rate, line.category, line.country or ""))


def tax_of(lines: Iterable[TaxLine]) -> Decimal:
    """The tax of all lines together."""
    return sum_of(line.amount for line in lines)
