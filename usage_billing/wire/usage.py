"""How usage looks: used, allowed, left, beyond. Pure."""

from usage_billing.wire.kinds import Currency, Cursor, Flag, Identifier, Instant, Json, Money, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun

USAGE_CELL = Noun(
    "UsageCell",
    "A cell of a price by dimension; one without a name tells what the whole adds to the cells.",
    (
        Field("cell", Text(maximum=128, minimum=0), "Its name; `default` has what meets no other.", attribute="name"),
        Field("used", Quantity(), "How many units were used."),
        Field("allowance", Quantity(), "The units of the allowance that fall to it."),
        Field("overage", Quantity(), "The units beyond those."),
        Field("estimatedCharge", Money(), "What those would cost if the period ended now."),
    ),
)

USAGE_LINE = Noun(
    "UsageLine",
    "One usage type of one subscription in one period, or in one segment of a period that is cut.",
    (
        Field("subscriptionId", Identifier(), "The subscription."),
        Field("usageType", Identifier(), "What was used."),
        Field("unitName", Text(), "What one of it is called."),
        Field("hasQuota", Flag(), "Whether the plan has a quota for it; without one nothing is charged."),
        Field("used", Quantity(), "How many units were used."),
        Field("usedBefore", Quantity(), "How many units of the limit earlier segments of the period used."),
        Field("limit", Quantity(), "The allowance of the whole period, in units; null is unlimited.", nullable=True),
        Field("remaining", Quantity(), "The units that are left of it; null is unlimited.", nullable=True),
        Field("overage", Quantity(), "The units beyond it."),
        Field("covered", Quantity(), "The units of those that were paid for beforehand, or are owed."),
        Field("owed", Quantity(), "The units of those covered that no grant paid for yet: the wallet owes them."),
        Field("charged", Quantity(), "The units of those that were not, and are charged."),
        Field("estimatedCharge", Money(), "What those would cost if the period ended now."),
        Field("currency", Currency(), "The currency of the charge."),
        Field("periodStart", Instant(), "When the period begins."),
        Field("periodEnd", Instant(), "When it ends, exclusive."),
        Field("cells", Many(USAGE_CELL), "Its parts, in a price by dimension; null in any other.", nullable=True),
    ),
)

BEHIND = Field(
    "behind",
    Whole(),
    "How many recordings meters have not counted yet; 0 unless they are more than 20,000, or another writer holds"
    " them.",
    attribute="behind",
)

_REST = (
    BEHIND,
    Field(
        "totals",
        Json({"type": "object", "additionalProperties": {"type": "string"}}),
        "By currency, the estimated charges of all lines, also of those on other pages.",
        attribute="page.totals",
    ),
    Field(
        "nextCursor",
        Cursor(),
        "What brings the next lines; null on the last page.",
        nullable=True,
        attribute="page.next",
    ),
)

USER_USAGE = Noun(
    "UserUsage",
    "Everything that a customer used.",
    (
        Field("userId", Identifier(), "The customer.", attribute="customer_id"),
        Field("usage", Many(USAGE_LINE), "Up to 1,000, by subscription, period, usage type.", attribute="page.lines"),
        *_REST,
    ),
)

SUBSCRIPTION_USAGE = Noun(
    "SubscriptionUsage",
    "Everything that was used under a subscription.",
    (
        Field("subscriptionId", Identifier(), "The subscription."),
        Field("userId", Identifier(), "The customer that pays.", attribute="customer_id"),
        Field("planId", Identifier(), "The plan that it is on."),
        Field("usage", Many(USAGE_LINE), "Up to 1,000, by period and usage type.", attribute="page.lines"),
        *_REST,
    ),
)
