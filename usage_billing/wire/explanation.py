"""How an explained invoice item looks. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.invoice import ITEM_KINDS, PREPAID_PART
from usage_billing.wire.kinds import (
    PLAIN,
    Choice,
    Currency,
    Cursor,
    Hash,
    Id,
    Identifier,
    Instant,
    Money,
    Price,
    Quantity,
    Text,
    Whole,
)
from usage_billing.wire.noun import Field, Many, Noun, One
from usage_billing.wire.preview import LINE

EVENT = Noun(
    "Event",
    "A recording behind an item.",
    (
        Field("id", Id(), "The id that was answered when it was accepted."),
        Field("timestamp", Instant(), "When it was used.", attribute="occurred_at"),
        Field("recordedAt", Instant(), "When it was counted."),
        Field("quantity", Quantity(), "How many units."),
        Field("idempotencyKey", Identifier(), "The sender's key, or else its id."),
        Field("source", PLAIN, "The source that the sender named; else empty."),
    ),
)

EVENTS_PAGE = Noun(
    "EventsPage",
    "A page of the recordings behind an item, in the order recorded.",
    (
        Field("data", Many(EVENT), "The recordings on this page.", attribute="events"),
        Field("nextCursor", Cursor(), "What brings the next page; null on the last.", nullable=True, derived=True),
    ),
)

CHARGED_ROW = Noun(
    "ChargedRow",
    "A quantity beyond the allowance, and what it comes to.",
    (
        Field("quantity", Quantity(), "How many units."),
        Field(
            "recordings",
            Whole(maximum=MAX_BIGINT),
            "In how many recordings they were reported; null for a meter, which does not count that.",
            nullable=True,
        ),
        Field("amount", Money(), "What they come to."),
    ),
)

COVERED_WINDOW = Noun(
    "CoveredWindow",
    "What a grant in units pays for of a window of usage: from then to the next change of the wallet's grants.",
    (
        Field("walletId", Identifier(), "The wallet."),
        Field("grantId", Id(), "The grant; null where they are owed.", nullable=True),
        Field("windowStart", Instant(), "When the window begins."),
        Field("quantity", Quantity(), "How many units."),
    ),
)

EXPLANATION = Noun(
    "Explanation",
    "Why an invoice item is what it is: the quota, the arithmetic, and the recordings behind it.",
    (
        Field("id", Id(), "The item's id."),
        Field("invoiceId", Id(), "The invoice that it is on."),
        Field("kind", Choice(*ITEM_KINDS), "What kind of charge it is."),
        Field("description", Text(), "What it is, in words."),
        Field("usageType", Identifier(), "Of what; null for a fee.", nullable=True, attribute="item.usage_type_id"),
        Field("periodStart", Instant(), "When the period that it charges for begins."),
        Field("periodEnd", Instant(), "When that ends, exclusive."),
        Field("currency", Currency(), "The currency of the amounts.", attribute="currency"),
        Field("quotaId", Whole(maximum=MAX_BIGINT), "The quota that priced it; null for a fee.", nullable=True),
        Field("quotaVersion", Whole(), "Its version; null for a fee.", nullable=True, attribute="quota_version"),
        Field("price", Price(), "The price that was charged by; null for a fee.", nullable=True),
        Field("allowance", Quantity(), "Units that are free in this period; null never charges.", nullable=True),
        Field("total", Quantity(), "All units that were used."),
        Field("billable", Quantity(), "The units of them beyond the allowance that are charged."),
        Field("covered", Quantity(), "The units of them beyond it that were paid for beforehand, or are owed."),
        Field(
            "coveredBy",
            Many(COVERED_WINDOW),
            "The grants behind `covered`, window by window; of a draft at this moment.",
            attribute="beforehand.covered",
        ),
        Field("quantity", Quantity(), "The units that this item charges for."),
        Field(
            "recordings",
            Whole(maximum=MAX_BIGINT),
            "In how many recordings the billable units were reported; null for a meter, which does not count that.",
            nullable=True,
            attribute="recordings",
        ),
        Field(
            "ratedPrice",
            Price(),
            "The price with the period's parts of minimum, flat amounts and maximum in it; null: the price as it is.",
            nullable=True,
        ),
        Field("soFar", One(CHARGED_ROW), "All that the price had to charge in the period.", attribute="so_far"),
        Field("before", One(CHARGED_ROW), "What of it came before the item's segment.", attribute="before"),
        Field("breakdown", Many(LINE), "The steps of the arithmetic, which add up to `exact`.", attribute="breakdown"),
        Field("exact", Quantity(), "What is due in all before it is rounded.", attribute="exact"),
        Field("amountDue", Money(), "What is due in all: `exact`, rounded once, half up.", attribute="amount_due"),
        Field("chargedBefore", Money(), "What earlier items charged of it."),
        Field("amount", Money(), "What this item charges: the difference."),
        Field(
            "prepaid",
            Many(PREPAID_PART),
            "What grants in money pay of this item on its invoice; below 0: gives back.",
            attribute="beforehand.money",
        ),
        Field(
            "eventsHash",
            Hash(),
            "The hash over exactly the recordings behind it, stored with the item; null for a fee, and for a meter.",
            nullable=True,
            derived=True,
        ),
        Field("events", One(EVENTS_PAGE), "A page of the recordings behind it.", attribute="events"),
    ),
    row="item",
)
