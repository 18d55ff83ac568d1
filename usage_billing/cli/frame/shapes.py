"""How things look in ``--json`` and in tables: the names of the wire (product section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usage_billing.cli.frame.output import time_text
from usage_billing.core.decimals import plain

if TYPE_CHECKING:
    from usage_billing.access.models import ApiKey
    from usage_billing.billing_runs.models import BillingRun
    from usage_billing.catalog.models import Plan, UsageQuota, UsageType
    from usage_billing.customers.models import Customer
    from usage_billing.metering.models import QuarantinedUsage
    from usage_billing.reports.record_status import RecordStatus
    from usage_billing.reports.subscriptions import SubscriptionView

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
        "baseFee": None if plan.base_fee is None else plain(plan.base_fee),
        "baseFeeTiming": plan.base_fee_timing,
        "proration": plan.proration,
        "prorateStartAndEnd": plan.prorates_edges,
        "paymentDays": plan.payment_days,
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
        "unitPrice": quota.price.get("unitPrice"),
        "price": quota.price,
        "unitName": quota.unit_name,
        "subscriptionId": quota.subscription_id,
        "effective": "now" if quota.immediate else "next_period",
        "effectiveFrom": time_text(quota.effective_from),
        "effectiveUntil": time_text(quota.effective_until),
        "createdAt": time_text(quota.created_at),
    }


def subscription_shape(subscription: SubscriptionView) -> Shape:
    """A subscription with its terms."""
    return {
        "id": subscription.id,
        "userId": subscription.customer_id,
        "planId": subscription.plan_id,
        "startedAt": time_text(subscription.started_at),
        "endedAt": time_text(subscription.ended_at),
        "timezone": subscription.timezone,
        "anchor": subscription.anchor,
        "createdAt": time_text(subscription.created_at),
        "terms": [
            {
                "planId": term.plan_id,
                "startsAt": time_text(term.starts_at),
                "endsAt": time_text(term.ends_at),
                "paused": term.paused,
            }
            for term in subscription.terms
        ],
    }


def key_shape(key: ApiKey) -> Shape:
    """A key without what opens anything."""
    return {
        "id": str(key.id),
        "prefix": key.prefix,
        "name": key.name,
        "scopes": list(key.scopes),
        "rateLimit": key.rate_limit,
        "createdAt": time_text(key.created_at),
        "expiresAt": time_text(key.expires_at),
        "revokedAt": time_text(key.revoked_at),
        "lastUsedAt": time_text(key.last_used_at),
        "replacedBy": None if key.replaced_by is None else str(key.replaced_by),
    }


def run_shape(run: BillingRun) -> Shape:
    """A billing run."""
    return {
        "id": str(run.id),
        "asOf": time_text(run.as_of),
        "subscriptionId": run.subscription_id,
        "dryRun": run.dry_run,
        "status": run.status,
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
    """Something that could not be counted, with all that was sent."""
    return {
        "id": str(row.id),
        "reason": row.reason,
        "detail": row.detail,
        "payload": row.payload,
        "userId": row.customer_id,
        "subscriptionId": row.subscription_id,
        "status": row.status,
        "receivedAt": time_text(row.received_at),
        "quarantinedAt": time_text(row.quarantined_at),
        "resolvedAt": time_text(row.resolved_at),
        "resolvedBy": row.resolved_by,
    }


def record_shape(found: RecordStatus) -> Shape:
    """What became of a recording; what does not apply is left out."""
    shape = {
        "id": str(found.id),
        "status": found.status,
        "userId": found.customer_id,
        "subscriptionId": found.subscription_id,
        "usageType": found.usage_type,
        "quantity": None if found.quantity is None else plain(found.quantity),
        "withinLimit": None if found.within_limit is None else plain(found.within_limit),
        "beyondLimit": None if found.beyond_limit is None else plain(found.beyond_limit),
        "timestamp": time_text(found.occurred_at),
        "receivedAt": time_text(found.received_at),
        "recordedAt": time_text(found.recorded_at),
        "duplicateOf": None if found.duplicate_of is None else str(found.duplicate_of),
        "reason": found.reason,
        "detail": found.detail,
        "resolution": found.resolution,
        "voidedAt": time_text(found.voided_at),
    }
    return {name: value for name, value in shape.items() if value is not None}


def pick(shape: Shape, *names: str) -> Shape:
    """The part of a shape that a table has room for."""
    return {name: shape[name] for name in names}
