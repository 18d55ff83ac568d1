"""How alerts and their firings look. Pure."""

from usage_billing.wire.kinds import Choice, Flag, Id, Identifier, Instant, Json, Text
from usage_billing.wire.noun import Field, Noun, One

WATCHED = ("percent", "units", "amount", "balance", "projected", "anomaly")
BASES = ("allowance", "allowance+prepaid", "spend", "granted")
REARMS = ("never", "on_resolve")
LATE = ("tell", "silent")
_TEXTS = Json({"type": "array", "items": {"type": "string"}})

SCOPE = Noun(
    "AlertScope",
    "What an alert is for: one of these.",
    (
        Field("subscriptionId", Identifier(), "A subscription.", optional=True),
        Field("planId", Identifier(), "The subscriptions on a plan.", optional=True),
        Field("userId", Identifier(), "A customer's subscriptions or wallets.", optional=True, attribute="customer_id"),
        Field("walletId", Identifier(), "A wallet.", optional=True),
        Field("all", Flag(), "true: every subscription, or every wallet.", optional=True, attribute="everything"),
    ),
)
ALERT = Noun(
    "Alert",
    "What is watched, and told when usage or a balance reaches it.",
    (
        Field("id", Identifier(), "Its id."),
        Field("scope", One(SCOPE), "What it is for.", attribute="scope"),
        Field("on", Choice(*WATCHED), "What is compared with its lines.", attribute="rule.watches"),
        Field(
            "usageType",
            Identifier(),
            "The usage type; null: each by itself, or for money all together.",
            nullable=True,
            attribute="rule.usage_type_id",
        ),
        Field("basis", Choice(*BASES), "What 100 percent are; null where lines are none.", nullable=True),
        Field("amount", Text(), "The money that is 100 percent of spend.", nullable=True, attribute="amount"),
        Field("currency", Text(minimum=3, maximum=3), "The currency of its money; null for units.", nullable=True),
        Field(
            "thresholds",
            _TEXTS,
            "Its lines, ascending: percent, units or money; null where each multiple is told.",
            nullable=True,
            attribute="thresholds",
        ),
        Field(
            "every", Text(), "Each multiple of it is a line; null with thresholds.", nullable=True, attribute="every"
        ),
        Field("resolve", Flag(), "Whether coming back below a line is told."),
        Field("rearm", Choice(*REARMS), "Whether a line that was resolved can be told again in its period."),
        Field(
            "rearmAbove",
            Text(),
            "A balance is back once it is more than the line and at least this; null: 10 percent over the line.",
            nullable=True,
            attribute="rearm_above",
        ),
        Field("late", Choice(*LATE), "Whether usage that comes after its period is told."),
        Field(
            "to",
            _TEXTS,
            "The endpoints that are told, whatever types they want; null: those that want alerts.",
            nullable=True,
            attribute="rule.told_to",
        ),
        Field("madeByCustomer", Flag(), "Whether the customer set it, and may change and end it."),
        Field("createdAt", Instant(), "When it was made."),
        Field("endedAt", Instant(), "When it ended; null while it holds.", nullable=True),
        Field(
            "warning",
            Text(),
            "Why it may never tell anything. Left out otherwise.",
            optional=True,
            attribute="warning",
        ),
    ),
    row="rule",
)
FIRING = Noun(
    "AlertFiring",
    "That a line was reached: once in a period, or once each time that a wallet is armed again.",
    (
        Field("id", Id(), "Its id."),
        Field("ruleId", Identifier(), "The alert."),
        Field("userId", Identifier(), "The customer.", attribute="firing.customer_id"),
        Field("subscriptionId", Identifier(), "The subscription; null for a wallet of several.", nullable=True),
        Field("walletId", Identifier(), "The wallet; null for usage.", nullable=True),
        Field(
            "usageType",
            Identifier(),
            "What was used; null: all together.",
            nullable=True,
            attribute="firing.usage_type_id",
        ),
        Field("threshold", Text(), "The line: percent, units or money.", attribute="threshold"),
        Field(
            "from",
            Text(),
            "The first multiple of several that were reached together. Left out otherwise.",
            optional=True,
            attribute="begins",
        ),
        Field("value", Text(), "What was compared with it, in units or money.", attribute="value"),
        Field(
            "limit",
            Text(),
            "What 100 percent are, in units or money; null where lines are none.",
            nullable=True,
            attribute="base",
        ),
        Field("periodStart", Instant(), "When the billing period begins; of a wallet, when it was made."),
        Field("periodEnd", Instant(), "When it ends, exclusive; null for a wallet.", nullable=True),
        Field("late", Flag(), "Whether the usage came after the period was over."),
        Field("firedAt", Instant(), "When it was told."),
        Field("resolvedAt", Instant(), "When it was resolved; null: not, or not watched for.", nullable=True),
    ),
    row="firing",
)
ALERT_TESTED = Noun(
    "TestedAlert",
    "That a test is on its way.",
    (Field("alertId", Identifier(), "The alert, whose event is marked `test`."),),
)
