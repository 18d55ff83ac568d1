"""How packages and their purchases look. Pure."""

from usage_billing.core.limits import MAX_COUNT, MAX_NAME
from usage_billing.wire.kinds import Choice, Currency, Id, Identifier, Instant, Money, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun, One
from usage_billing.wire.tax import TAX_CATEGORIES
from usage_billing.wire.wallet import UNIT

INTERVALS = ("day", "week", "month", "quarter", "year")
CHARGES = ("next_invoice", "now", "paid")

VALIDITY = Noun(
    "PackageValidity",
    "How long what is bought holds, from the purchase on.",
    (
        Field("interval", Choice(*INTERVALS), "The interval."),
        Field("intervalCount", Whole(minimum=1, maximum=MAX_COUNT), "How many of it.", attribute="intervalCount"),
    ),
)
_VERSION = (
    Field("version", Whole(minimum=1), "The number of the version.", attribute="version.version"),
    Field("amount", Quantity(), "How many units are sold, or how much money.", attribute="version.amount"),
    Field("price", Money(), "What they cost together, before tax.", attribute="version.price"),
    Field("priority", Whole(maximum=100), "Grants of a lower one pay first.", attribute="version.priority"),
    Field(
        "validity", One(VALIDITY), "How long they hold; null: for ever.", nullable=True, attribute="version.validity"
    ),
    Field("taxCategory", Choice(*TAX_CATEGORIES), "How it is taxed, by EN 16931.", attribute="version.tax_category"),
    Field(
        "paymentDays",
        Whole(maximum=MAX_COUNT),
        "Days within which an invoice of its own is to be paid.",
        attribute="version.payment_days",
    ),
    Field("effectiveFrom", Instant(), "Since when it is sold.", attribute="version.effective_from"),
)
PACKAGE = Noun(
    "Package",
    "What is sold beforehand, as it is sold at this moment.",
    (
        Field("id", Identifier(), "Its id."),
        Field("name", Text(maximum=MAX_NAME), "What it is called."),
        Field("unit", One(UNIT), "What is sold.", attribute="unit"),
        Field("currency", Currency(), "The currency of its price.", attribute="package.currency"),
        *_VERSION,
        Field("createdAt", Instant(), "When it was made."),
    ),
    row="package",
)
PACKAGE_VERSION = Noun(
    "PackageVersion",
    "What a package sells for how much, until the next version begins.",
    (
        Field("currency", Currency(), "The currency of its price.", attribute="currency"),
        *_VERSION,
        Field("createdAt", Instant(), "When it was made.", attribute="version.created_at"),
    ),
)
PACKAGE_VERSIONS = Noun(
    "PackageVersions",
    "The versions of a package.",
    (Field("data", Many(PACKAGE_VERSION), "The versions, the first first."),),
)
PURCHASE = Noun(
    "Purchase",
    "That a customer bought a package.",
    (
        Field("id", Id(), "Its id."),
        Field("userId", Identifier(), "The customer.", attribute="purchase.customer_id"),
        Field("subscriptionId", Identifier(), "The subscription that it was bought for; null: none.", nullable=True),
        Field("packageId", Identifier(), "The package."),
        Field("version", Whole(minimum=1), "The version of the package."),
        Field("count", Whole(minimum=1, maximum=MAX_COUNT), "How many times it was bought."),
        Field("amount", Quantity(), "How many units in all, or how much money.", attribute="amount"),
        Field("currency", Currency(), "The currency of the price.", attribute="currency"),
        Field("price", Money(), "What all of it cost, before tax.", attribute="price"),
        Field("charge", Choice(*CHARGES), "On which invoice it is charged; `paid`: on none, as it was paid elsewhere."),
        Field("reference", Text(maximum=MAX_NAME), "What names the order; null: nothing.", nullable=True),
        Field("walletId", Identifier(), "The wallet that it filled."),
        Field("grantId", Id(), "The grant that it made."),
        Field(
            "invoiceId",
            Id(),
            "The invoice or draft that charges it; null while none does, and where it was paid elsewhere.",
            nullable=True,
            attribute="invoice_id",
        ),
        Field("idempotencyKey", Identifier(), "What makes it once.", attribute="purchase.key"),
        Field("at", Instant(), "When it was bought."),
    ),
    row="purchase",
)
