"""How a plan looks. Pure."""

from usage_billing.core.choices import INTERVALS, METHODS, OnDowngrade
from usage_billing.wire.kinds import PLAIN, Choice, Currency, Flag, Identifier, Instant, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun
from usage_billing.wire.tax import TAX_CATEGORIES

PLAN = Noun(
    "Plan",
    "A plan: what is sold.",
    (
        Field("id", Identifier(), "The name that the caller gave it."),
        Field("name", Text(), "What people call it."),
        Field("currency", Currency(), "The currency of its base fee and of its quotas' prices."),
        Field("interval", Choice(*INTERVALS), "The unit of a billing period."),
        Field("intervalCount", Whole(), "How many intervals make a period."),
        Field(
            "baseFee",
            Quantity(),
            "What each period costs, used or not, by the version that holds now; null for nothing.",
            nullable=True,
            attribute="fee.base_fee",
        ),
        Field(
            "baseFeeTiming",
            Choice("arrears", "advance"),
            "Whether the base fee is due after its period or before.",
            attribute="fee.base_fee_timing",
        ),
        Field(
            "baseFeeUntil",
            Instant(),
            "Until when, exclusive, for periods of the calendar in UTC; null for ever. `/versions` has what comes.",
            nullable=True,
            attribute="fee.effective_until",
        ),
        Field("proration", Choice(*METHODS), "How allowance and base fee are divided when a period is."),
        Field(
            "prorateStartAndEnd",
            Flag(),
            "Whether the subscription's own first period, and its last fee, are divided too.",
            attribute="plan.prorates_edges",
        ),
        Field(
            "onDowngrade",
            Choice(*OnDowngrade),
            "Whether usage that was free stays so when the plan is left, or what is not covered any more is charged.",
        ),
        Field("paymentDays", Whole(), "Within how many days an invoice is to be paid."),
        Field("createdAt", Instant(), "When it was made."),
        Field("taxCategory", Choice(*TAX_CATEGORIES), "How its base fee is taxed: a category of EN 16931, or AA."),
        Field("customerAlerts", Flag(), "Whether its customers may set alerts on their own subscriptions."),
    ),
    row="plan",
)

PLAN_VERSION = Noun(
    "PlanVersion",
    "A version of a plan's base fee.",
    (
        Field("planId", Identifier(), "The plan that it belongs to."),
        Field("version", Whole(), "Which version it is; 1 is what the plan was made with."),
        Field("baseFee", Quantity(), "What each period costs, used or not; null for nothing.", nullable=True),
        Field("baseFeeTiming", Choice("arrears", "advance"), "Whether the base fee is due after its period or before."),
        Field(
            "effective",
            PLAIN,
            "How it was asked to take effect: next_period, period, now, start, or a time.",
            attribute="asked_effective",
        ),
        Field("effectiveFrom", Instant(), "From when on it holds; by periods, for those of the calendar in UTC."),
        Field("effectiveUntil", Instant(), "Until when, exclusive; null for ever.", nullable=True),
        Field("createdAt", Instant(), "When it was made."),
    ),
)

PLAN_VERSIONS = Noun(
    "PlanVersions",
    "The versions of a plan's base fee.",
    (Field("data", Many(PLAN_VERSION), "The versions, in the order made."),),
)
