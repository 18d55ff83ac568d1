"""What each export has: its columns in their order, each with how a value of it is written. Pure.

Columns are added at the end, and never change their name or their meaning.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from usage_billing.core.clock import instant_text
from usage_billing.core.csv_text import text_cell
from usage_billing.core.decimals import plain
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit


class Export(StrEnum):
    """What can be taken out."""

    INVOICES = "invoices"
    ITEMS = "items"
    USAGE = "usage"
    CREDITS = "credits"
    PAYMENTS = "payments"


class As(StrEnum):
    """How a value is written: a text without formulas, a word of ours, a time in UTC, an exact decimal, an amount."""

    TEXT = "text"
    WORD = "word"
    INSTANT = "instant"
    DECIMAL = "decimal"
    MONEY = "money"


Columns = Mapping[str, As]

_INVOICE: dict[str, As] = {
    "invoiceId": As.WORD,
    "number": As.WORD,
    "userId": As.TEXT,
    "subscriptionId": As.TEXT,
    "status": As.WORD,
    "currency": As.WORD,
}
COLUMNS: Mapping[Export, Columns] = {
    Export.INVOICES: _INVOICE
    | {
        "kind": As.WORD,
        "periodStart_utc": As.INSTANT,
        "periodEnd_utc": As.INSTANT,
        "timezone": As.WORD,
        "total": As.MONEY,
        "creditApplied": As.MONEY,
        "amountDue": As.MONEY,
        "finalizedAt_utc": As.INSTANT,
        "dueAt_utc": As.INSTANT,
        "paidAt_utc": As.INSTANT,
        "voidedAt_utc": As.INSTANT,
        "paymentReference": As.TEXT,
        "paymentMethod": As.TEXT,
        "buyerName": As.TEXT,
        "buyerCountry": As.WORD,
        "buyerTaxId": As.TEXT,
        "buyerReference": As.TEXT,
        "sellerName": As.TEXT,
        "sellerTaxId": As.TEXT,
        "tax": As.MONEY,
        "totalWithTax": As.MONEY,
        "prepaidApplied": As.MONEY,
    },
    Export.ITEMS: _INVOICE
    | {
        "itemId": As.WORD,
        "kind": As.WORD,
        "usageType": As.TEXT,
        "cell": As.TEXT,
        "periodStart_utc": As.INSTANT,
        "periodEnd_utc": As.INSTANT,
        "timezone": As.WORD,
        "quantity": As.DECIMAL,
        "billable": As.DECIMAL,
        "allowance": As.DECIMAL,
        "covered": As.DECIMAL,
        "unitPrice": As.WORD,
        "amount": As.MONEY,
        "finalizedAt_utc": As.INSTANT,
        "description": As.TEXT,
        "taxCategory": As.WORD,
        "taxCountry": As.WORD,
        "taxRate": As.DECIMAL,
    },
    Export.USAGE: {
        "id": As.WORD,
        "userId": As.TEXT,
        "subscriptionId": As.TEXT,
        "usageType": As.TEXT,
        "occurredAt_utc": As.INSTANT,
        "receivedAt_utc": As.INSTANT,
        "recordedAt_utc": As.INSTANT,
        "timezone": As.WORD,
        "quantity": As.DECIMAL,
        "beyondLimit": As.DECIMAL,
        "source": As.TEXT,
        "idempotencyKey": As.TEXT,
        "voidedAt_utc": As.INSTANT,
        "voidReason": As.TEXT,
    },
    Export.CREDITS: {
        "id": As.WORD,
        "userId": As.TEXT,
        "currency": As.WORD,
        "kind": As.WORD,
        "amount": As.MONEY,
        "invoiceId": As.WORD,
        "number": As.WORD,
        "createdAt_utc": As.INSTANT,
        "reason": As.TEXT,
    },
    Export.PAYMENTS: _INVOICE
    | {
        "amount": As.MONEY,
        "creditApplied": As.MONEY,
        "paidAt_utc": As.INSTANT,
        "reference": As.TEXT,
        "method": As.TEXT,
    },
}


def cell_of(value: Any, kind: As, currency: str) -> str | int | None:
    """A value as it stands in a line; None is an empty cell. ``currency`` is that of the line."""
    if value is None:
        return None
    if kind == As.TEXT:
        return text_cell(value)
    if kind == As.MONEY:
        return money_text(value, minor_unit(currency))
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Decimal):
        return plain(value)
    return str(value) if isinstance(value, UUID) else value
