"""How things look in ``--json`` and in tables: the names of the wire (product section 3)."""

from collections.abc import Sequence
from typing import Any

from usage_billing.access.models import ApiKey
from usage_billing.billing_runs.models import BillingRun
from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.cli.output import time_text
from usage_billing.core.decimals import plain
from usage_billing.core.money import money_text
from usage_billing.customers.models import Customer
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.numbering import number_text
from usage_billing.metering.models import QuarantinedUsage
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.models import Subscription

Shape = dict[str, Any]


def customer_shape(customer: Customer) -> Shape:
    """A customer."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "createdAt": time_text(customer.created_at),
    }


def plan_shape(plan: Plan) -> Shape:
    """A plan."""
    return {
        "id": plan.id,
        "name": plan.name,
        "currency": plan.currency,
        "interval": plan.interval,
        "intervalCount": plan.interval_count,
        "createdAt": time_text(plan.created_at),
    }


def usage_type_shape(usage_type: UsageType) -> Shape:
    """A usage type."""
    return {
        "id": usage_type.id,
        "unitName": usage_type.unit_name,
        "aggregation": usage_type.aggregation,
        "createdAt": time_text(usage_type.created_at),
    }


def quota_shape(quota: UsageQuota) -> Shape:
    """A version of a quota."""
    return {
        "id": quota.id,
        "planId": quota.plan_id,
        "usageType": quota.usage_type_id,
        "version": quota.version,
        "monthlyLimit": None if quota.monthly_limit is None else plain(quota.monthly_limit),
        "price": quota.price,
        "unitName": quota.unit_name,
        "effectiveFrom": time_text(quota.effective_from),
        "effectiveUntil": time_text(quota.effective_until),
    }


def subscription_shape(subscription: Subscription) -> Shape:
    """A subscription."""
    return {
        "id": subscription.id,
        "userId": subscription.customer_id,
        "planId": subscription.plan_id,
        "startedAt": time_text(subscription.started_at),
        "endedAt": time_text(subscription.ended_at),
        "timezone": subscription.timezone,
        "anchor": subscription.anchor,
    }


def key_shape(key: ApiKey) -> Shape:
    """A key without what opens anything."""
    return {
        "id": str(key.id),
        "prefix": key.prefix,
        "name": key.name,
        "scopes": list(key.scopes),
        "createdAt": time_text(key.created_at),
        "expiresAt": time_text(key.expires_at),
        "revokedAt": time_text(key.revoked_at),
        "lastUsedAt": time_text(key.last_used_at),
    }


def invoice_shape(invoice: Invoice) -> Shape:
    """An invoice without its items."""
    return {
        "id": str(invoice.id),
        "number": number_text(invoice.number),
        "userId": invoice.customer_id,
        "subscriptionId": invoice.subscription_id,
        "status": invoice.status,
        "currency": invoice.currency,
        "periodStart": time_text(invoice.period_start),
        "periodEnd": time_text(invoice.period_end),
        "total": money_text(invoice.total, minor_unit(invoice.currency)),
        "createdAt": time_text(invoice.created_at),
        "finalizedAt": time_text(invoice.finalized_at),
    }


def item_shapes(items: Sequence[UsageInvoiceItem], *, currency: str) -> list[Shape]:
    """The items of an invoice in ``currency``."""
    return [
        {
            "id": str(item.id),
            "usageType": item.usage_type_id,
            "kind": item.kind,
            "periodStart": time_text(item.period_start),
            "periodEnd": time_text(item.period_end),
            "quantity": plain(item.quantity),
            "unitPrice": (item.price or {}).get("unitPrice"),
            "amount": money_text(item.amount, minor_unit(currency)),
            "description": item.description,
        }
        for item in items
    ]


def run_shape(run: BillingRun) -> Shape:
    """A billing run."""
    return {
        "id": str(run.id),
        "asOf": time_text(run.as_of),
        "status": run.status,
        "subscriptionId": run.subscription_id,
        "dryRun": run.dry_run,
        "requestedBy": run.requested_by,
        "startedAt": time_text(run.started_at),
        "finishedAt": time_text(run.finished_at),
        "subscriptions": run.subscriptions,
        "invoices": run.invoices,
        "items": run.items,
        "finalized": run.finalized,
        "amounts": run.amounts,
        "digest": run.digest,
        "warnings": run.warnings,
        "error": run.error,
    }


def quarantined_shape(row: QuarantinedUsage) -> Shape:
    """Something that could not be counted, without its payload."""
    return {
        "id": str(row.id),
        "reason": row.reason,
        "detail": row.detail,
        "userId": row.customer_id,
        "subscriptionId": row.subscription_id,
        "receivedAt": time_text(row.received_at),
        "status": row.status,
        "resolvedAt": time_text(row.resolved_at),
        "resolvedBy": row.resolved_by,
    }


def pick(shape: Shape, *names: str) -> Shape:
    """The part of a shape that a table has room for."""
    return {name: shape[name] for name in names}
