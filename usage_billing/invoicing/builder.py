"""What is still to be charged: the amount due so far, minus what was charged of it before. Pure.

By this rule every run comes to the same sum: a rerun finds nothing left to charge, a late recording is charged by the
difference, and a recording that was taken back gives its amount back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from usage_billing.core.decimals import EXACT, plain
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.rating.engine import amount_for


class ItemKind(StrEnum):
    """What an item charges: usage, or a base fee; an adjustment corrects either after its invoice became final."""

    USAGE = "usage"
    ADJUSTMENT = "adjustment"
    FEE = "fee"


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


class Charge(NamedTuple):
    """An invoice item to be written; ``quantity`` and ``amount`` are what it adds to what was charged before."""

    kind: ItemKind
    quantity: Decimal
    charged_before: Decimal
    amount: Decimal
    description: str


def charge_for(
    summary: UnratedSummary, tariff: Tariff | None, *, before: EarlierCharge, kind: ItemKind
) -> Charge | None:
    """The charge that brings what was charged for a summary to what is due; None when nothing is left to charge.

    Without an allowance nothing is ever due. An adjustment by nothing is left out: the next one with an amount tells
    the quantity of both.
    """
    due, billable = Decimal(0), Decimal(0)
    if tariff is not None and summary.allowance is not None:
        billable = summary.beyond_limit
        due = amount_for(tariff.price, billable, recordings=summary.beyond_events, currency=tariff.currency)
    quantity = EXACT.subtract(billable, before.quantity)
    amount = EXACT.subtract(due, before.amount)
    if not amount and (kind == ItemKind.ADJUSTMENT or not quantity):
        return None
    return Charge(
        kind=kind,
        quantity=quantity,
        charged_before=before.amount,
        amount=amount,
        description=_describe(summary, tariff, before, quantity, kind),
    )


def charge_for_fee(due: Decimal, *, description: str, before: EarlierCharge, kind: ItemKind) -> Charge | None:
    """The charge that brings what was charged of a base fee to ``due``; None when nothing is left to charge."""
    amount = EXACT.subtract(due, before.amount)
    if not amount:
        return None
    if kind == ItemKind.ADJUSTMENT:
        description = f"Adjustment: {description}, from {plain(before.amount)} to {plain(due)}"
    return Charge(kind=kind, quantity=Decimal(1), charged_before=before.amount, amount=amount, description=description)


def _describe(
    summary: UnratedSummary, tariff: Tariff | None, before: EarlierCharge, quantity: Decimal, kind: ItemKind
) -> str:
    period = _span(summary.period_start, summary.period_end)
    unit = tariff.unit_name if tariff else summary.usage_type_id
    if kind == ItemKind.ADJUSTMENT:
        now = EXACT.add(before.quantity, quantity)
        return f"Adjustment: {unit} beyond the allowance from {plain(before.quantity)} to {plain(now)}, {period}"
    return f"{plain(quantity)} {unit} beyond the allowance, {period}"


@lru_cache(maxsize=256)
def _span(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
