"""What is still to be charged: the amount due so far, minus what was charged of it before. Pure.

By this rule every run comes to the same sum: a rerun finds nothing left to charge, a late recording is charged by the
difference, and a recording that was taken back gives its amount back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.money import money_text
from usage_billing.invoicing.wording import Wording, days_of
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.engine import rate, stored_price
from usage_billing.rating.price import DISCOUNT, MAXIMUM, MINIMUM
from usage_billing.rating.pricing.base import Line
from usage_billing.rating.pricing.by_dimension import is_by_dimension

_NOTHING = Decimal(0)
_BOUNDS = {MINIMUM: "minimumAmount", MAXIMUM: "maximumAmount"}


class ItemKind(StrEnum):
    """What an item charges: usage, a base fee or a purchase; an adjustment corrects it after that became final."""

    USAGE = "usage"
    ADJUSTMENT = "adjustment"
    FEE = "fee"
    PURCHASE = "purchase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The quota version that a summary is charged by."""

    quota_id: int
    price: Mapping[str, Any]
    unit_name: str
    currency: str


class EarlierCharge(NamedTuple):
    """What earlier, finalized invoices charged of a summary or a fee."""

    quantity: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)

    def plus(self, quantity: Decimal, amount: Decimal) -> "EarlierCharge":
        """With what one more invoice charged."""
        return EarlierCharge(EXACT.add(self.quantity, quantity), EXACT.add(self.amount, amount))


class Basis(NamedTuple):
    """What a summary is charged on where that is more than its own total at its quota's price.

    ``due`` is its charge in all. ``price`` is the quota's with the period's parts of minimum, flat amounts and maximum
    in their places; by it, all that its group has up to it comes to ``due`` and the ``before_*`` of its group together.
    """

    due: Decimal
    price: Mapping[str, Any]
    before_quantity: Decimal = Decimal(0)
    before_recordings: int = 0
    before_amount: Decimal = Decimal(0)


class Charge(NamedTuple):
    """An invoice item to be written; ``quantity`` and ``amount`` are what it adds to what was charged before."""

    kind: ItemKind
    quantity: Decimal
    charged_before: Decimal
    amount: Decimal
    wording: Wording


def charge_for(
    summary: UnratedSummary,
    tariff: Tariff | None,
    *,
    before: EarlierCharge,
    kind: ItemKind,
    zone: str = "UTC",
    basis: Basis | None = None,
    cell: str = "",
) -> Charge | None:
    """The charge that brings what was charged for a summary to what is due; None when nothing is left to charge.

    Without an allowance nothing is ever due. Usage that was paid for beforehand has an item even if nothing else of it
    is charged. ``basis`` says what is due if other segments have a part in it. An
    adjustment by nothing is left out: the next one with an amount tells the quantity of both. Its text names days in
    ``zone``, and the ``cell`` that it charges.
    """
    due, billable, lines = _NOTHING, _NOTHING, list[Line]()
    if tariff is not None and summary.allowance is not None:
        billable = summary.billable
        due, lines = _due(summary, tariff, basis)
    quantity = EXACT.subtract(billable, before.quantity)
    amount = EXACT.subtract(due, before.amount)
    if not amount and (kind == ItemKind.ADJUSTMENT or not (quantity or summary.covered)):
        return None
    args = {"unit": tariff.unit_name if tariff else summary.usage_type_id}
    if cell:
        args["cell"] = cell
    args |= days_of(summary.period_start, summary.period_end, zone)
    if tariff is not None and not cell and is_by_dimension(tariff.price):
        key = "whole" if kind == ItemKind.USAGE else "whole_adjustment"
    elif kind == ItemKind.ADJUSTMENT:
        args |= {"before": plain(before.quantity), "now": plain(billable)}
        key = "usage_adjustment"
    else:
        args |= {"quantity": plain(quantity)}
        key = "usage"
    if tariff is not None:
        args |= _reasons(lines, tariff.currency)
    return Charge(kind, quantity, before.amount, amount, Wording(key, args))


def _due(summary: UnratedSummary, tariff: Tariff, basis: Basis | None) -> tuple[Decimal, list[Line]]:
    """What a summary is charged in all, and the steps to it.

    The steps of a ``basis`` are those of all that its price had to charge so far; a price with a rule for each
    recording shows none, for it does not know them here.
    """
    price = stored_price(tariff.price if basis is None else basis.price)
    if basis is not None and price.reads_each:
        return basis.due, []
    quantity, count = summary.billable, summary.beyond_events
    if basis is not None:
        quantity, count = EXACT.add(basis.before_quantity, quantity), basis.before_recordings + count
    rated = rate(price, quantity, recordings=count, currency=tariff.currency)
    return rated.amount if basis is None else basis.due, rated.lines


def charge_for_fee(
    due: Decimal, *, name: str, days: Mapping[str, str], currency: str, before: EarlierCharge, kind: ItemKind
) -> Charge | None:
    """The charge that brings what was charged of a base fee to ``due``; None when nothing is left to charge.

    ``name`` is the plan's, and ``days`` those that the fee is for.
    """
    amount = EXACT.subtract(due, before.amount)
    if not amount:
        return None
    wording = Wording("fee", {"name": name, **days})
    if kind == ItemKind.ADJUSTMENT:
        change = {"before": _money(before.amount, currency), "now": _money(due, currency)}
        wording = Wording("fee_adjustment", {**wording.args, **change})
    return Charge(kind, Decimal(1), before.amount, amount, wording)


class BoughtPackage(NamedTuple):
    """What was bought: the package's name, how many times, and on which days."""

    name: str
    times: int
    days: Mapping[str, str]


def charge_for_purchase(
    due: Decimal, bought: BoughtPackage, *, currency: str, before: EarlierCharge, kind: ItemKind
) -> Charge | None:
    """The charge that brings what was charged of a purchase to ``due``; None when nothing is left to charge."""
    amount = EXACT.subtract(due, before.amount)
    if not amount:
        return None
    wording = Wording("purchase", {"name": bought.name, "quantity": str(bought.times), **bought.days})
    if kind == ItemKind.ADJUSTMENT:
        change = {"before": _money(before.amount, currency), "now": _money(due, currency)}
        wording = Wording("purchase_adjustment", {**wording.args, **change})
    return Charge(kind, Decimal(bought.times), before.amount, amount, wording)


def _reasons(lines: Iterable[Line], currency: str) -> dict[str, str]:
    """What made the amount another one than the quantity's: the parts of a text that say so."""
    found: dict[str, str] = {}
    for line in lines:
        if line.wording == DISCOUNT:
            found["discountPercent"] = plain(line.figures[0])
        elif line.wording in _BOUNDS:
            found[_BOUNDS[line.wording]] = _money(line.figures[0], currency)
    return found


def _money(amount: Decimal, currency: str) -> str:
    return money_text(amount, minor_unit(currency))
