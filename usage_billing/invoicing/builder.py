"""What a summary owes: the amount for the total so far, minus what was charged of it before. Pure.

The rule makes every run the same sum: a rerun finds nothing left, a late recording charges the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT, plain
from usage_billing.rating.engine import amount_for

USAGE = "usage"
ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The quota version that a summary is charged by."""

    quota_id: int
    price: Mapping[str, Any]
    unit_name: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a summary stands. ``billable`` is its quantity beyond the allowance, in ``billable_events``."""

    summary_id: int
    usage_type_id: str
    period_start: datetime
    period_end: datetime
    total: Decimal
    billable: Decimal
    events: int
    billable_events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What earlier, finalized invoices charged of a summary."""

    quantity: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One invoice item to be. ``quantity`` is what this item adds to what was charged before."""

    standing: Standing
    tariff: Tariff
    kind: str
    quantity: Decimal
    charged_before: Decimal
    amount: Decimal
    description: str


def charge_for(standing: Standing, tariff: Tariff | None, *, before: Charged, kind: str) -> Charge | None:
    """The charge that brings what was charged to what is due; None when nothing is left to charge."""
    if tariff is None:
        return None
    due = amount_for(tariff.price, standing.billable, recordings=standing.billable_events, currency=tariff.currency)
    quantity = EXACT.subtract(standing.billable, before.quantity)
    amount = EXACT.subtract(due, before.amount)
    if not quantity and not amount:
        return None
    return Charge(
        standing=standing,
        tariff=tariff,
        kind=kind,
        quantity=quantity,
        charged_before=before.amount,
        amount=amount,
        description=_describe(standing, tariff, quantity, kind),
    )


def _describe(standing: Standing, tariff: Tariff, quantity: Decimal, kind: str) -> str:
    period = f"{standing.period_start:%Y-%m-%d} to {standing.period_end:%Y-%m-%d}"
    what = f"{plain(quantity)} {tariff.unit_name} beyond the allowance, {period}"
    return f"Adjustment: {what}" if kind == ADJUSTMENT else what
