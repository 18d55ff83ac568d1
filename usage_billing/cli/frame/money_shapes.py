"""How invoices, prices and what explains them look in ``--json``: the names of the wire."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from usage_billing.cli.frame.output import time_text
from usage_billing.cli.frame.shapes import Shape
from usage_billing.core.decimals import plain
from usage_billing.core.money import money_text

if TYPE_CHECKING:
    from usage_billing.metering.models import Usage
    from usage_billing.rating.pricing.base import Line
    from usage_billing.reports.explain import Explanation
    from usage_billing.reports.invoices import InvoiceView, ItemView
    from usage_billing.reports.preview import Preview


def invoice_shape(invoice: InvoiceView) -> Shape:
    """An invoice with its items."""
    return {
        "id": str(invoice.id),
        "number": invoice.number,
        "userId": invoice.customer_id,
        "subscriptionId": invoice.subscription_id,
        "status": invoice.status,
        "currency": invoice.currency,
        "periodStart": time_text(invoice.period_start),
        "periodEnd": time_text(invoice.period_end),
        "total": money(invoice.total, invoice.currency),
        "creditApplied": money(invoice.credit_applied, invoice.currency),
        "amountDue": money(invoice.amount_due, invoice.currency),
        "dueAt": time_text(invoice.due_at),
        "createdAt": time_text(invoice.created_at),
        "finalizedAt": time_text(invoice.finalized_at),
        "paidAt": time_text(invoice.paid_at),
        "voidedAt": time_text(invoice.voided_at),
        "items": [_item(item) for item in invoice.items],
    }


def explanation_shape(found: Explanation) -> Shape:
    """An item with its arithmetic and a page of the recordings behind it."""
    item = found.item
    return {
        "id": str(item.id),
        "invoiceId": str(item.invoice_id),
        "kind": item.kind,
        "description": item.description,
        "usageType": item.usage_type_id,
        "periodStart": time_text(item.period_start),
        "periodEnd": time_text(item.period_end),
        "currency": found.currency,
        "quotaId": item.quota_id,
        "quotaVersion": found.quota_version,
        "price": item.price,
        "allowance": _plain(item.allowance),
        "total": plain(item.total),
        "billable": plain(item.billable),
        "quantity": plain(item.quantity),
        "recordings": item.billable_events,
        "breakdown": line_shapes(found.breakdown),
        "exact": plain(found.exact),
        "amountDue": money(found.amount_due, found.currency),
        "chargedBefore": money(item.charged_before, found.currency),
        "amount": money(item.amount, found.currency),
        "eventsHash": None if item.events_hash is None else item.events_hash.hex(),
        "events": {"data": [_event(event) for event in found.events.events], "next": found.events.next},
    }


def preview_shape(found: Preview) -> Shape:
    """What a price charges."""
    return {
        "amount": money(found.amount, found.currency),
        "exact": plain(found.exact),
        "currency": found.currency,
        "breakdown": line_shapes(found.breakdown),
    }


def line_shapes(lines: Iterable[Line]) -> list[Shape]:
    """Steps of the arithmetic."""
    return [{"label": line.label, "quantity": plain(line.quantity), "amount": plain(line.amount)} for line in lines]


def money(amount: Decimal, currency: str) -> str:
    """An amount with all digits of its currency's minor unit."""
    from usage_billing.rating.currency import minor_unit

    return money_text(amount, minor_unit(currency))


def _item(item: ItemView) -> Shape:
    return {
        "id": str(item.id),
        "usageType": item.usage_type,
        "kind": item.kind,
        "periodStart": time_text(item.period_start),
        "periodEnd": time_text(item.period_end),
        "quantity": plain(item.quantity),
        "billable": plain(item.billable),
        "allowance": _plain(item.allowance),
        "unitPrice": item.unit_price,
        "amount": money(item.amount, item.currency),
        "description": item.description,
    }


def _event(event: Usage) -> Shape:
    return {
        "id": str(event.id),
        "timestamp": time_text(event.occurred_at),
        "recordedAt": time_text(event.recorded_at),
        "quantity": plain(event.quantity),
        "idempotencyKey": event.idempotency_key,
        "source": event.source,
    }


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
