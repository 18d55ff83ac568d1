"""The types of events. They are added to, and never changed: receivers choose by them. Pure."""

from enum import StrEnum

EVERY = "*"
"""What stands for all types where an endpoint names those that it wants."""


class EventType(StrEnum):
    """What happened: the noun, a dot, and what became of it."""

    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    SUBSCRIPTION_PAUSED = "subscription.paused"
    SUBSCRIPTION_RESUMED = "subscription.resumed"
    SUBSCRIPTION_CANCELLED = "subscription.cancelled"
    QUOTA_EXCEEDED = "quota.exceeded"
    INVOICE_CREATED = "invoice.created"
    INVOICE_FINALIZED = "invoice.finalized"
    INVOICE_PAID = "invoice.paid"
    INVOICE_VOIDED = "invoice.voided"
    INVOICE_UNCOLLECTIBLE = "invoice.uncollectible"
    WALLET_CREATED = "wallet.created"
    GRANT_ACTIVATED = "wallet.grant_activated"
    GRANT_EXPIRED = "wallet.grant_expired"
    GRANT_REFUNDED = "wallet.grant_refunded"
    GRANT_VOIDED = "wallet.grant_voided"
    ALERT_TRIGGERED = "alert.triggered"
    ALERT_RESOLVED = "alert.resolved"
    RECORDING_QUARANTINED = "recording.quarantined"
    RECORDING_REPLAYED = "recording.replayed"
    RECORDING_DISCARDED = "recording.discarded"
    RUN_FINISHED = "run.finished"
    RUN_FAILED = "run.failed"
    ENDPOINT_DISABLED = "endpoint.disabled"
    ENDPOINT_TEST = "endpoint.test"
