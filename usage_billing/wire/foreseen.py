"""How it looks what a change would charge and give back. Pure."""

from usage_billing.wire.invoice import INVOICE_KINDS, ITEM_KINDS
from usage_billing.wire.kinds import PLAIN, Choice, Currency, Identifier, Instant, Money, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun

FORESEEN_ITEM = Noun(
    "ForeseenItem",
    "A charge that the change would alter.",
    (
        Field("usageType", Identifier(), "What was used; null for a fee.", nullable=True, attribute="usage_type_id"),
        Field("kind", Choice(*ITEM_KINDS), "What kind of item it is."),
        Field("periodStart", Instant(), "When the period that it charges for begins."),
        Field("description", Text(), "What it is, in words."),
        Field("amountBefore", Money(), "What it is without the change."),
        Field("amount", Money(), "What it is with it."),
        Field("difference", Money(), "What the change charges; negative gives back."),
    ),
)

FORESEEN_INVOICE = Noun(
    "ForeseenInvoice",
    "An invoice that the change would alter.",
    (
        Field("kind", Choice(*INVOICE_KINDS), "What kind of invoice it is."),
        Field("closesAt", Instant(), "When it is due to become final."),
        Field("periodStart", Instant(), "When the period that it is for begins."),
        Field("periodEnd", Instant(), "When that ends, exclusive."),
        Field("currency", Currency(), "The currency of its amounts."),
        Field("totalBefore", Money(), "Its total without the change; 0 if it would not be there."),
        Field("total", Money(), "Its total with it."),
        Field("difference", Money(), "What the change charges on it; negative gives back."),
        Field("items", Many(FORESEEN_ITEM), "The charges that differ."),
    ),
)

FORESEEN_ALLOWANCE = Noun(
    "ForeseenAllowance",
    "What is left of an allowance right after the change.",
    (
        Field("usageType", Identifier(), "What is used."),
        Field("unitName", Text(), "What one of it is called."),
        Field("limit", Quantity(), "The allowance of the whole period, in units; null is unlimited.", nullable=True),
        Field("used", Quantity(), "The units of it that are used."),
        Field("remaining", Quantity(), "The units that are left of it; null is unlimited.", nullable=True),
    ),
)

FORESEEN = Noun(
    "Foreseen",
    "What a change would charge and give back.",
    (
        Field("digest", Text(), "What a real change at `effectiveAt` is held to, as its `expectedDigest`."),
        Field("until", Instant(), "The invoices that close by then are compared."),
        Field("invoices", Many(FORESEEN_INVOICE), "The invoices that it would alter."),
        Field("allowances", Many(FORESEEN_ALLOWANCE), "The allowances right after it; none while nothing runs."),
    ),
)

FORESEEN_SUBSCRIPTION = Noun(
    "ForeseenSubscription",
    "A subscription that a change of its plan would alter.",
    (
        Field("subscriptionId", Identifier(), "The subscription."),
        Field("effectiveAt", Instant(), "From when the change would hold for it."),
        Field("until", Instant(), "The invoices that close by then are compared."),
        Field("charged", Money(), "By how much charges would be more."),
        Field("credited", Money(), "By how much others would be less."),
        Field("difference", Money(), "What the change charges; negative gives back."),
    ),
)

FORESEEN_CHANGE = Noun(
    "ForeseenChange",
    "What a version of a plan's quota, or of its base fee, would charge and give back.",
    (
        Field("planId", Identifier(), "The plan."),
        Field("usageType", Identifier(), "Of which usage type the quota is; null for the base fee.", nullable=True),
        Field(
            "effective",
            PLAIN,
            "What the real change says as its `effective`, beside the run's `digest` as its `expectedDigest`.",
        ),
        Field("effectiveFrom", Instant(), "From when it would hold; by periods, for those of the calendar in UTC."),
        Field("looked", Whole(), "How many subscriptions are, were or will be on the plan."),
        Field("currency", Currency(), "The currency of the amounts."),
        Field("charged", Money(), "By how much charges would be more, in all."),
        Field("credited", Money(), "By how much others would be less, in all."),
        Field("difference", Money(), "What the change charges in all; negative gives back."),
        Field("subscriptions", Many(FORESEEN_SUBSCRIPTION), "Those that it would alter: the first hundred by id."),
    ),
)
