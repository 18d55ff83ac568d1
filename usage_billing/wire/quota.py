"""How a quota looks. Pure."""

from dataclasses import replace

from usage_billing.core.limits import MAX_BIGINT, MAX_COUNT
from usage_billing.wire.kinds import PLAIN, Identifier, Instant, Price, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Noun, One

UNBILLED = Noun(
    "UnbilledUsage",
    "Usage from before the first quota of its plan, which stays without a price.",
    (
        Field("recordings", Whole(), "How many recordings."),
        Field("quantity", Quantity(), "How many units."),
        Field("subscriptions", Whole(), "Of how many subscriptions."),
    ),
)

QUOTA_ROLLOVER = Noun(
    "QuotaRollover",
    "What of an allowance that a period leaves is carried over, as a grant.",
    (
        Field("max", Quantity(), "At most so many units; null: no such bound.", nullable=True),
        Field("maxPercent", Whole(maximum=100), "At most so much of the allowance; null: all.", nullable=True),
        Field("periods", Whole(maximum=MAX_COUNT), "For how many more periods it holds."),
    ),
)

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
            PLAIN,
            "How it was asked to take effect: next_period, period, now, start, or a time.",
            derived=True,
            attribute="asked_effective",
        ),
        Field(
            "effectiveFrom",
            Instant(),
            "From when on it holds; a plan's by periods, for those of the calendar in UTC.",
        ),
        Field("effectiveUntil", Instant(), "Until when, exclusive; null for ever.", nullable=True),
        Field("createdAt", Instant(), "When it was made."),
        Field(
            "rollover",
            One(QUOTA_ROLLOVER),
            "What is carried over when a period ends; null: nothing.",
            nullable=True,
        ),
    ),
)

DEFINED_QUOTA = Noun(
    "DefinedQuota",
    "A version of a quota that was just made.",
    (
        *(replace(one, attribute=one.attribute and f"quota.{one.attribute}") for one in QUOTA.fields),
        Field(
            "unbilled",
            One(UNBILLED),
            "Usage that stays without a price; left out where there is none.",
            optional=True,
            attribute="unbilled",
        ),
    ),
    row="quota",
)
