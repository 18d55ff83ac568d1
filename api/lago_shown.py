"""How our nouns look to Lago's clients. Amounts are whole minor units, quantities are texts of all their digits."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.clock import instant_text
from usage_billing.core.decimals import EXACT, plain
from usage_billing.customers.models import Customer
from usage_billing.invoicing.lifecycle import InvoiceKind, InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import number_text
from usage_billing.rating.currency import minor_unit
from usage_billing.reports.current_usage import ChargeNow, CurrentUsage
from usage_billing.reports.usage_types import UsageTypeView
from usage_billing.reports.wallets import WalletView
from usage_billing.subscriptions.changes import ChangeKind
from usage_billing.subscriptions.views import SubscriptionView

NO_CURRENCY = "XXX"
"""ISO 4217's code where there is no currency: a wallet that holds units."""

_AGGREGATIONS = {"sum": "sum_agg", "count": "count_agg", "max": "max_agg", "latest": "latest_agg"}
_AGGREGATIONS["unique_count"] = "unique_count_agg"
_OTHER_AGGREGATION = "custom_agg"
_MODELS = {"per_unit": "standard", "graduated": "graduated", "volume": "volume", "package": "package"}
_MODELS |= {"percentage": "percentage"}
_OTHER_MODEL, _NO_MODEL = "custom", "standard"
_STATUSES = {InvoiceStatus.DRAFT: "draft", InvoiceStatus.VOID: "voided"}
_PAYMENTS = {InvoiceStatus.PAID: "succeeded", InvoiceStatus.UNCOLLECTIBLE: "failed"}
_SECONDS_OF_A_DAY = 86_400
_VERSION = 4


def cents(amount: Decimal, currency: str) -> int:
    """An amount in minor units; it has no more digits than these."""
    return int(EXACT.scaleb(amount, minor_unit(currency)).to_integral_exact(context=EXACT))


def usage_shown(found: CurrentUsage) -> dict[str, Any]:
    """The usage of a present period."""
    return {
        "from_datetime": instant_text(found.start),
        "to_datetime": instant_text(found.end),
        "issuing_date": found.end.date().isoformat(),
        "lago_invoice_id": None,
        "currency": found.currency,
        "amount_cents": cents(found.amount, found.currency),
        "taxes_amount_cents": cents(found.tax, found.currency),
        "total_amount_cents": cents(EXACT.add(found.amount, found.tax), found.currency),
        "charges_usage": [_charge(one, found.currency) for one in found.charges],
    }


def _charge(one: ChargeNow, currency: str) -> dict[str, Any]:
    model = _NO_MODEL if one.price is None else _MODELS.get(one.price["model"], _OTHER_MODEL)
    return {
        "units": plain(one.used),
        "total_aggregated_units": plain(one.used),
        "events_count": one.events,
        "amount_cents": cents(one.charge, currency),
        "amount_currency": currency,
        "charge": {"lago_id": str(one.quota_id or ""), "charge_model": model, "invoice_display_name": one.unit_name},
        "billable_metric": {
            "lago_id": one.usage_type,
            "name": one.usage_type,
            "code": one.usage_type,
            "aggregation_type": _AGGREGATIONS.get(one.aggregation, _OTHER_AGGREGATION),
        },
        "filters": [],
    }


def metric_shown(view: UsageTypeView) -> dict[str, Any]:
    """A usage type; what Lago has no word for is ``custom_agg``."""
    one = view.usage_type
    return {
        "lago_id": one.id,
        "name": one.id,
        "code": one.id,
        "description": one.unit_name,
        "aggregation_type": _AGGREGATIONS.get(one.aggregation, _OTHER_AGGREGATION),
        "expression": None if view.definition is None else view.definition.value,
        "created_at": instant_text(one.created_at),
        "filters": [],
    }


def customer_shown(one: Customer) -> dict[str, Any]:
    """A customer; what it is shown in is UTC, as all our times are."""
    address = one.address or {}
    return {
        "lago_id": one.id,
        "external_id": one.id,
        "name": one.name,
        "email": one.email,
        "legal_name": one.legal_name,
        "tax_identification_number": one.tax_id,
        "address_line1": address.get("line1"),
        "address_line2": address.get("line2"),
        "zipcode": address.get("postalCode"),
        "city": address.get("city"),
        "country": address.get("country"),
        "applicable_timezone": "UTC",
        "created_at": instant_text(one.created_at),
        "updated_at": instant_text(one.created_at),
    }


def subscription_shown(view: SubscriptionView, *, now: datetime) -> dict[str, Any]:
    """A subscription; one that is paused is active."""
    one = view.subscription
    over = one.ended_at is not None and one.ended_at <= now
    moves = [change.plan_id for change in view.scheduled if change.kind == ChangeKind.PLAN]
    return {
        "lago_id": one.id,
        "external_id": one.id,
        "lago_customer_id": one.customer_id,
        "external_customer_id": one.customer_id,
        "plan_code": view.plan_id,
        "next_plan_code": moves[0] if moves else None,
        "status": "terminated" if over else "pending" if one.started_at > now else "active",
        "billing_time": one.anchor,
        "started_at": instant_text(one.started_at),
        "subscription_at": instant_text(one.started_at),
        "created_at": instant_text(one.created_at),
        "ending_at": None if one.ended_at is None else instant_text(one.ended_at),
        "terminated_at": instant_text(one.ended_at) if over and one.ended_at else None,
    }


def wallet_shown(view: WalletView) -> dict[str, Any]:
    """A wallet: of money a credit is one of its currency; of units a credit is a unit, and has no amount."""
    wallet, money = view.wallet, view.wallet.currency
    balance = EXACT.add(view.left, view.provisional)

    def amount(value: Decimal) -> int:
        return 0 if money is None else cents(value, money)

    return {
        "lago_id": wallet.id,
        "lago_customer_id": wallet.customer_id,
        "external_customer_id": wallet.customer_id,
        "status": "active",
        "name": view.unit.unit_name,
        "currency": money or NO_CURRENCY,
        "rate_amount": "0" if money is None else "1",
        "credits_balance": plain(balance),
        "balance_cents": amount(balance),
        "consumed_credits": plain(view.posted),
        "ongoing_usage_balance_cents": amount(view.provisional),
        "credits_ongoing_usage_balance": plain(view.provisional),
        "ongoing_balance_cents": amount(view.left),
        "credits_ongoing_balance": plain(view.left),
        "applies_to": {"billable_metric_codes": list(view.unit.usage_types or ())},
        "created_at": instant_text(wallet.created_at),
    }


def invoice_shown(invoice: Invoice, customers: Mapping[str, Customer], *, now: datetime) -> dict[str, Any]:
    """An invoice; ``total_amount_cents`` is what is left of it after wallets and credit, paid or not."""
    of = invoice.currency
    left = max(invoice.payable, Decimal(0))
    customer = customers.get(invoice.customer_id)
    shown: dict[str, Any] = {
        "lago_id": invoice.id,
        "sequential_id": invoice.number,
        "number": number_text(invoice.number) or "",
        "issuing_date": None if invoice.finalized_at is None else invoice.finalized_at.date().isoformat(),
        "payment_due_date": None if invoice.due_at is None else invoice.due_at.date().isoformat(),
        "payment_overdue": _is_overdue(invoice, now),
        "net_payment_term": _term(invoice),
        "invoice_type": "one_off" if invoice.kind == InvoiceKind.PURCHASE else "subscription",
        "version_number": _VERSION,
        "status": _STATUSES.get(InvoiceStatus(invoice.status), "finalized"),
        "payment_status": _PAYMENTS.get(InvoiceStatus(invoice.status), "pending"),
        "currency": of,
        "fees_amount_cents": cents(invoice.total, of),
        "coupons_amount_cents": 0,
        "taxes_amount_cents": cents(invoice.tax, of),
        "sub_total_excluding_taxes_amount_cents": cents(invoice.total, of),
        "sub_total_including_taxes_amount_cents": cents(invoice.total_with_tax, of),
        "prepaid_credit_amount_cents": cents(invoice.prepaid_applied, of),
        "credit_notes_amount_cents": cents(invoice.credit_applied, of),
        "progressive_billing_credit_amount_cents": 0,
        "total_amount_cents": cents(EXACT.subtract(left, invoice.credit_applied), of),
        "total_due_amount_cents": cents(invoice.amount_due, of),
        "voided_at": None if invoice.voided_at is None else instant_text(invoice.voided_at),
        "customer": None if customer is None else customer_shown(customer),
    }
    if invoice.tax_pending:
        details = {"lago_id": str(invoice.id), "error_code": "tax_error", "details": {"tax": invoice.tax_pending}}
        shown["error_details"] = [details]
    return shown


def _is_overdue(invoice: Invoice, now: datetime) -> bool:
    return invoice.due_at is not None and invoice.due_at < now and invoice.amount_due > 0


def _term(invoice: Invoice) -> int:
    """Days from when it became final until it is due."""
    if invoice.due_at is None or invoice.finalized_at is None:
        return 0
    return round((invoice.due_at - invoice.finalized_at).total_seconds() / _SECONDS_OF_A_DAY)
