"""Imports every room's tables, so that ``Base.metadata`` is whole.

Every door imports this module. A row that the mapper writes may have a foreign key to a table of a room that the door
does not use otherwise; without that table the mapper fails.
"""

from usage_billing.access.models import AdminRequest, ApiKey
from usage_billing.alerts.models import AlertFiring, AlertLook, AlertRule
from usage_billing.audit.models import AuditEntry
from usage_billing.balances.models import CreditBalance, CreditEntry
from usage_billing.billing_runs.models import BillingRun, BillingRunSlice
from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.customers.models import Customer, SellerVersion
from usage_billing.db.base import Base
from usage_billing.documents.models import DocumentRequest, InvoiceDocument
from usage_billing.drawing.models import PrepaidItem
from usage_billing.inbox.models import InboxEntry, InboxShard
from usage_billing.invoicing.models import FeeCharge, Invoice, InvoiceNumber, UsageInvoiceItem
from usage_billing.mail.models import MailHour, MailRefusal
from usage_billing.metering.models import QuarantinedUsage, Usage, UsageDuplicate, UsageSummary, UsageVoid
from usage_billing.meters.models import Meter, MeterBucket, MeterDefinition, MeterFold, MeterSeries, MeterTotal
from usage_billing.outbox.models import EventBody, OutboxMessage
from usage_billing.packages.models import Package, PackageVersion, Purchase, PurchaseCharge
from usage_billing.processes.models import Heartbeat, WorkCounter
from usage_billing.proofs.models import ProvenSummary
from usage_billing.schedules.models import Schedule
from usage_billing.sessions.models import OperatorSession, PortalSession
from usage_billing.subscriptions.models import Subscription, SubscriptionChange, SubscriptionTerm, TermStamp
from usage_billing.taxes.models import TaxRate
from usage_billing.top_ups.models import TopUp, TopUpRule
from usage_billing.wallets.models import CoveredSummary, Grant, PastGrants, Transfer, Wallet, WalletDraw, WalletScope
from usage_billing.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookSecret

__all__ = [
    "AdminRequest",
    "AlertFiring",
    "AlertLook",
    "AlertRule",
    "ApiKey",
    "AuditEntry",
    "Base",
    "BillingRun",
    "BillingRunSlice",
    "CoveredSummary",
    "CreditBalance",
    "CreditEntry",
    "Customer",
    "DocumentRequest",
    "EventBody",
    "FeeCharge",
    "Grant",
    "Heartbeat",
    "InboxEntry",
    "InboxShard",
    "Invoice",
    "InvoiceDocument",
    "InvoiceNumber",
    "MailHour",
    "MailRefusal",
    "Meter",
    "MeterBucket",
    "MeterDefinition",
    "MeterFold",
    "MeterSeries",
    "MeterTotal",
    "OperatorSession",
    "OutboxMessage",
    "Package",
    "PackageVersion",
    "PastGrants",
    "Plan",
    "PortalSession",
    "PrepaidItem",
    "ProvenSummary",
    "Purchase",
    "PurchaseCharge",
    "QuarantinedUsage",
    "Schedule",
    "SellerVersion",
    "Subscription",
    "SubscriptionChange",
    "SubscriptionTerm",
    "TaxRate",
    "TermStamp",
    "TopUp",
    "TopUpRule",
    "Transfer",
    "Usage",
    "UsageDuplicate",
    "UsageInvoiceItem",
    "UsageQuota",
    "UsageSummary",
    "UsageType",
    "UsageVoid",
    "Wallet",
    "WalletDraw",
    "WalletScope",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookSecret",
    "WorkCounter",
]
