"""How events look, and what each type of them says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from usage_billing.core.limits import MAX_BIGINT, MAX_URL
from usage_billing.wire.alert_told import ALERT_TOLD
from usage_billing.wire.billing_run import RUN
from usage_billing.wire.event_type import EventType
from usage_billing.wire.invoice import INVOICE_FACT
from usage_billing.wire.kinds import Choice, Id, Identifier, Instant, Json, Text, Whole
from usage_billing.wire.noun import Field, Noun, One
from usage_billing.wire.subscription import SUBSCRIPTION
from usage_billing.wire.told import told
from usage_billing.wire.top_up import TOP_UP
from usage_billing.wire.wallet import GRANT, REFUND, WALLET

VERSION = "2026-12-01"
"""The newest version of bodies. Within a version they only gain fields."""

VERSIONS = (VERSION,)

SUBSCRIPTION_TOLD = told(
    "SubscriptionTold",
    "What became of a subscription.",
    Field("subscription", One(SUBSCRIPTION), "The subscription after it."),
    Field("effectiveAt", Instant(), "From when on it holds."),
)
INVOICE_TOLD = told(
    "InvoiceTold",
    "What became of an invoice.",
    Field("invoiceId", Id(), "The invoice's id."),
    Field("number", Text(), "Its number; null for a draft.", nullable=True),
    Field("invoice", One(INVOICE_FACT), "The invoice after it, without its items."),
)
RUN_TOLD = told("RunTold", "That a billing run ended.", Field("run", One(RUN), "The run."))
QUOTA_TOLD = told(
    "QuotaTold",
    "That the usage of a period went beyond its allowance.",
    Field("userId", Identifier(), "The customer.", attribute="customer_id"),
    Field("subscriptionId", Identifier(), "The subscription."),
    Field("usageType", Identifier(), "What was used."),
    Field("periodStart", Instant(), "When the billing period begins."),
    Field(
        "periodEnd", Instant(), "When it ends, exclusive; null where the subscription has none by now.", nullable=True
    ),
    Field("recordId", Id(), "The first recording beyond; null for a meter.", nullable=True),
)
WALLET_TOLD = told("WalletTold", "That a wallet was made.", Field("wallet", One(WALLET), "The wallet."))
_WHOSE = (
    Field("userId", Identifier(), "The customer.", attribute="customer_id"),
    Field("walletId", Identifier(), "The wallet."),
)
GRANT_TOLD = told("GrantTold", "What became of a grant.", *_WHOSE, Field("grant", One(GRANT), "The grant after it."))
REFUND_TOLD = told(
    "RefundTold",
    "That money is to go back to a customer for what is taken out of a grant.",
    *_WHOSE,
    Field("refund", One(REFUND), "What goes back."),
)
DEPLETED_TOLD = told("WalletDepletedTold", "That nothing is available in a wallet any more.", *_WHOSE)
TOP_UP_TOLD = told(
    "TopUpTold",
    "That a wallet asks for more, or what became of that.",
    *_WHOSE,
    Field("topUp", One(TOP_UP), "What was asked for, as it is after it."),
)
QUARANTINE_TOLD = told(
    "QuarantineTold",
    "That recordings could not be counted: those of one batch that have one reason.",
    Field("reason", Text(), "A code for why."),
    Field("count", Whole(maximum=MAX_BIGINT), "How many recordings."),
)
RESOLVED_TOLD = told(
    "ResolvedTold",
    "What was decided about a recording in quarantine.",
    Field("recordId", Id(), "The recording."),
    Field("reason", Text(), "A code for why it was there."),
)

_LINES = Json({"type": "array", "items": {"type": "string"}})
ENDPOINT_DISABLED_TOLD = told(
    "EndpointDisabledTold",
    "That an endpoint is told nothing more.",
    Field("endpointId", Identifier(), "The endpoint."),
    Field("url", Text(maximum=MAX_URL), "Where it is; null for mail.", nullable=True),
    Field("kind", Choice("webhook", "email"), "Whether it is told by a signed request or by mail."),
    Field("reason", Choice("by_hand", "failing", "gone"), "Whether by hand, after five days of failures, or by a 410."),
)
ENDPOINT_TEST_TOLD = told(
    "EndpointTestTold",
    "That an endpoint was to be tried; nothing happened.",
    Field("endpointId", Identifier(), "The endpoint."),
)


@dataclass(frozen=True, slots=True)
class Described:
    """What a type of event says: when it is told, what its ``data`` is, and its verb in the audit log ('': none)."""

    when: str
    data: Noun
    audit: str = ""


CATALOGUE: Mapping[EventType, Described] = {
    EventType.SUBSCRIPTION_CREATED: Described("A subscription was made.", SUBSCRIPTION_TOLD, "subscription.created"),
    EventType.SUBSCRIPTION_CHANGED: Described(
        "Its plan, its start or its terms changed, or a change was planned or taken back.",
        SUBSCRIPTION_TOLD,
        "subscription.plan_changed, start_moved, taken_back",
    ),
    EventType.SUBSCRIPTION_PAUSED: Described("It was paused.", SUBSCRIPTION_TOLD, "subscription.paused"),
    EventType.SUBSCRIPTION_RESUMED: Described("It goes on after a pause.", SUBSCRIPTION_TOLD, "subscription.resumed"),
    EventType.SUBSCRIPTION_CANCELLED: Described("It ended.", SUBSCRIPTION_TOLD, "subscription.ended"),
    EventType.QUOTA_EXCEEDED: Described(
        "The usage of a type in a billing period went beyond its allowance; once a period.", QUOTA_TOLD
    ),
    EventType.INVOICE_CREATED: Described(
        "Billing made a draft. It may still change, or go when nothing is left on it.", INVOICE_TOLD
    ),
    EventType.INVOICE_FINALIZED: Described(
        "A draft became final and got its number.", INVOICE_TOLD, "invoice.finalize"
    ),
    EventType.INVOICE_PAID: Described("A final invoice was paid.", INVOICE_TOLD, "invoice.paid"),
    EventType.INVOICE_VOIDED: Described("A final invoice was taken back.", INVOICE_TOLD, "invoice.voided"),
    EventType.INVOICE_UNCOLLECTIBLE: Described("An invoice was given up.", INVOICE_TOLD, "invoice.uncollectible"),
    EventType.WALLET_CREATED: Described("A wallet was made.", WALLET_TOLD, "wallet.created"),
    EventType.GRANT_ACTIVATED: Described(
        "A grant counts: it was put into a wallet, or paid.", GRANT_TOLD, "wallet.granted, grant_activated"
    ),
    EventType.GRANT_EXPIRED: Described("A grant was closed; what it did not pay for has expired.", GRANT_TOLD),
    EventType.GRANT_REFUNDED: Described(
        "Units were taken out of a bought grant, for which money is to go back.",
        REFUND_TOLD,
        "wallet.grant_refunded",
    ),
    EventType.GRANT_VOIDED: Described("What was left of a grant was taken back.", GRANT_TOLD, "wallet.grant_voided"),
    EventType.WALLET_DEPLETED: Described(
        "Nothing is available any more in a wallet that has a rule for top-ups; again only after there was something.",
        DEPLETED_TOLD,
    ),
    EventType.TOP_UP_REQUESTED: Described("A wallet asks for more, by its rule.", TOP_UP_TOLD),
    EventType.TOP_UP_PAID: Described(
        "What a wallet asked for was paid, and is in it.", TOP_UP_TOLD, "wallet.top_up_paid"
    ),
    EventType.TOP_UP_FAILED: Described("What a wallet asked for was not paid.", TOP_UP_TOLD, "wallet.top_up_failed"),
    EventType.ALERT_TRIGGERED: Described("Usage or a balance reached what an alert watches for.", ALERT_TOLD),
    EventType.ALERT_RESOLVED: Described(
        "Usage or a balance is back from what an alert told, or a new period began.", ALERT_TOLD
    ),
    EventType.RECORDING_QUARANTINED: Described("Recordings could not be counted.", QUARANTINE_TOLD),
    EventType.RECORDING_REPLAYED: Described(
        "A recording in quarantine was counted after all.", RESOLVED_TOLD, "quarantine.replayed"
    ),
    EventType.RECORDING_DISCARDED: Described(
        "A recording in quarantine is never counted.", RESOLVED_TOLD, "quarantine.discarded"
    ),
    EventType.RUN_FINISHED: Described("A billing run was completed.", RUN_TOLD),
    EventType.RUN_FAILED: Described("A billing run failed.", RUN_TOLD),
    EventType.ENDPOINT_DISABLED: Described(
        "An endpoint was disabled; the others are told.", ENDPOINT_DISABLED_TOLD, "endpoint.disabled"
    ),
    EventType.ENDPOINT_TEST: Described(
        "An operator tries an endpoint, which alone is told.", ENDPOINT_TEST_TOLD, "endpoint.tested"
    ),
}

EVENT = Noun(
    "ToldEvent",
    "A fact, as it was when it happened.",
    (
        Field("id", Text(minimum=36, maximum=36), "Its id: `evt_` and 32 hexadecimal digits."),
        Field("type", Choice(*EventType), "What happened."),
        Field("timestamp", Instant(), "When."),
        Field("version", Choice(*VERSIONS), "By which version its data is described."),
        Field("userId", Identifier(), "The customer that it is about; null for none.", nullable=True),
        Field(
            "sequence",
            Whole(minimum=1, maximum=MAX_BIGINT),
            "Its number among the customer's events, from 1 without a gap; null without a customer.",
            nullable=True,
        ),
        Field("data", Json(), "What happened, as its type describes."),
    ),
)
