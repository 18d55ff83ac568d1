"""How an invoice and its items look. Pure."""

from usage_billing.wire.kinds import PLAIN, Choice, Currency, Id, Identifier, Instant, Money, Quantity, Text
from usage_billing.wire.noun import Field, Many, Noun

STATUSES = ("draft", "finalized", "paid", "void", "uncollectible")
ITEM_KINDS = ("usage", "adjustment", "fee")

INVOICE_ITEM = Noun(
    "InvoiceItem",
    "One charge: a quantity beyond the allowance of a period, at that period's price.",
    (
        Field("id", Id(), "Its id."),
        Field("usageType", Identifier(), "What was used; null for a fee.", nullable=True, attribute="usage_type_id"),
        Field("kind", Choice(*ITEM_KINDS), "`adjustment` is for a period whose invoice is final, `fee` the plan's."),
        Field("periodStart", Instant(), "When the period that it charges for begins."),
        Field("periodEnd", Instant(), "When that ends, exclusive."),
        Field("quantity", Quantity(), "What this item charges for, in units."),
        Field("billable", Quantity(), "All units beyond the allowance so far; earlier items charged the rest."),
        Field("allowance", Quantity(), "Units that are free in this period; null never charges.", nullable=True),
        Field(
            "unitPrice",
            PLAIN,
            "What a unit costs, in the invoice's currency; null for a price that has no single one.",
            nullable=True,
            attribute="price.unitPrice",
        ),
        Field("amount", Money(), "What it charges, in the invoice's currency; negative gives back."),
        Field("description", Text(), "What it is, in words."),
    ),
)

INVOICE = Noun(
    "Invoice",
    "What a subscription owes for a period, with its items, which add up to its total.",
    (
        Field("id", Id(), "Its id."),
        Field("number", Text(), "Its number in the series; null until it is final.", nullable=True, attribute="number"),
        Field("userId", Identifier(), "The customer that pays.", attribute="invoice.customer_id"),
        Field("subscriptionId", Identifier(), "The subscription that it is for."),
        Field("status", Choice(*STATUSES), "What became of it."),
        Field("currency", Currency(), "The currency of its amounts and its items'."),
        Field("periodStart", Instant(), "When the period that it is for begins."),
        Field("periodEnd", Instant(), "When that ends, exclusive."),
        Field("total", Money(), "The sum of its items; a negative one becomes credit."),
        Field("creditApplied", Money(), "What of the total was paid with credit."),
        Field("amountDue", Money(), "What is left to pay."),
        Field("dueAt", Instant(), "Until when it is to be paid; null until it is final.", nullable=True),
        Field("createdAt", Instant(), "When the draft was made."),
        Field("finalizedAt", Instant(), "When it became final; null before.", nullable=True),
        Field("paidAt", Instant(), "When it was paid; null before.", nullable=True),
        Field("voidedAt", Instant(), "When it was taken back; null before.", nullable=True),
        Field("items", Many(INVOICE_ITEM), "Its charges, by period and usage type.", attribute="items"),
    ),
    row="invoice",
)
