"""How a quota looks. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.kinds import PLAIN, Either, Identifier, Instant, Price, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Noun

NEXT_PERIOD = "next_period"
NOW = "now"

QUOTA = Noun(
    "Quota",
    "A version of a quota: for a plan and a usage type, the allowance per period and the price beyond it.",
    (
        Field("id", Whole(maximum=MAX_BIGINT), "The number of this version among all quotas."),
        Field("planId", Identifier(), "The plan that it belongs to."),
        Field("usageType", Identifier(), "The usage type that it is for.", attribute="usage_type_id"),
        Field("version", Whole(), "Which version it is: 1, 2 and so on."),
        Field("monthlyLimit", Quantity(), "The allowance, in units per period; null never charges.", nullable=True),
        Field(
            "unitPrice",
            PLAIN,
            "What a unit beyond the allowance costs, in the plan's currency; null for a price that has no single one.",
            nullable=True,
            derived=True,
            attribute="price.unitPrice",
        ),
        Field("price", Price(), "What is charged beyond the allowance."),
        Field("unitName", Text(64), "What a unit is called on invoices."),
        Field("subscriptionId", Identifier(), "The one subscription that it is for; null for all.", nullable=True),
        Field(
            "effective",
            Either(yes=NOW, no=NEXT_PERIOD),
            "Whether it took effect at once, or with the next period.",
            derived=True,
            attribute="immediate",
        ),
        Field("effectiveFrom", Instant(), "From when on it is in force."),
        Field("effectiveUntil", Instant(), "Until when, exclusive; null for ever.", nullable=True),
        Field("createdAt", Instant(), "When it was made."),
    ),
)
