"""How an invoice and its items look. Pure."""

from usage_billing.wire.customer import BUYER, INVOICE_SELLER
from usage_billing.wire.kinds import (
    PLAIN,
    Choice,
    Currency,
    Cursor,
    Id,
    Identifier,
    Instant,
    Json,
    Money,
    Quantity,
    Text,
    Whole,
)
from usage_billing.wire.noun import Field, Many, Noun, One
from usage_billing.wire.tax import TAX_CATEGORIES, TAX_LINE
from usage_billing.wire.usage import BEHIND

STATUSES = ("draft", "finalized", "paid", "void", "uncollectible")
ITEM_KINDS = ("usage", "adjustment", "fee", "purchase")
INVOICE_KINDS = ("period", "change", "correction", "purchase")

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
        Field(
            "billable",
            Quantity(),
            "All units beyond the allowance so far that were not paid for beforehand; earlier items charged the rest.",
        ),
        Field("allowance", Quantity(), "Units that are free in this period; null never charges.", nullable=True),
        Field(
            "unitPrice",
            PLAIN,
            "What a unit costs, in the invoice's currency; null for a price that has no single one.",
            nullable=True,
            attribute="price.unitPrice",
        ),
        Field("amount", Money(), "What it charges, in the invoice's currency; negative gives back."),
        Field(
            "cell", Text(maximum=128, minimum=0), "The part of a price that it is charged by; empty where it has none."
        ),
        Field("covered", Quantity(), "Units that were paid for beforehand or are owed, and are not charged."),
        Field("description", Text(), "What it is, in words."),
        Field("textKey", Text(maximum=64), "Which sentence that is; null for an older item.", nullable=True),
        Field(
            "taxCategory",
            Choice(*TAX_CATEGORIES),
            "How it is taxed, by EN 16931; left out where no tax is reckoned.",
            optional=True,
        ),
        Field("taxCountry", Text(minimum=2, maximum=2), "Whose rate it is; left out where it is 0.", optional=True),
        Field("taxRate", Quantity(), "The rate in per cent; left out where no tax is reckoned.", optional=True),
        Field("textArgs", Json(), "What stands in the sentence, by name; null for an older item.", nullable=True),
    ),
)

PREPAID_PART = Noun(
    "PrepaidPart",
    "What one grant of a wallet in money paid of an invoice.",
    (
        Field("walletId", Identifier(), "The wallet."),
        Field("grantId", Id(), "The grant."),
        Field("amount", Money(), "What it paid, in the invoice's currency; negative where more went back to it."),
    ),
)

INVOICE = Noun(
    "Invoice",
    "What a subscription owes for a period, with its items, which add up to its total.",
    (
        Field("id", Id(), "Its id."),
        Field("number", Text(), "Its number in the series; null until it is final.", nullable=True, attribute="number"),
        Field("userId", Identifier(), "The customer that pays.", attribute="invoice.customer_id"),
        Field("subscriptionId", Identifier(), "The subscription that it is for; null for a purchase.", nullable=True),
        Field(
            "kind",
            Choice(*INVOICE_KINDS),
            "`period` settles a billing period, `change` a fee in advance that a change cut, `correction` what is put"
            " right of periods that are invoiced, `purchase` what was bought at once.",
        ),
        Field("status", Choice(*STATUSES), "What became of it."),
        Field("currency", Currency(), "The currency of its amounts and its items'."),
        Field("periodStart", Instant(), "When the period that it is for begins."),
        Field("periodEnd", Instant(), "When that ends, exclusive."),
        Field("closesAt", Instant(), "When it is due to become final; all but a `change` wait for the grace time too."),
        Field("total", Money(), "The sum of its items; what is negative of it after wallets becomes credit."),
        Field(
            "taxes",
            Many(TAX_LINE),
            "The tax on it, by category and rate; left out where none is reckoned, or is not known yet.",
            optional=True,
            attribute="invoice.tax_lines",
        ),
        Field(
            "totalWithTax",
            Money(),
            "The total and its tax; left out where no tax is reckoned, or is not known yet.",
            optional=True,
            attribute="invoice.shown_total_with_tax",
        ),
        Field(
            "taxPending",
            Text(maximum=512),
            "Why the tax of a draft is not known; it stays a draft until it is. Left out otherwise.",
            optional=True,
        ),
        Field(
            "prepaidApplied",
            Money(),
            "What wallets in money paid of the total, with tax; negative where more went back to them.",
        ),
        Field("prepaid", Many(PREPAID_PART), "Which of their grants paid what.", attribute="invoice.prepaid"),
        Field("creditApplied", Money(), "What of the rest was paid with credit."),
        Field("amountDue", Money(), "What is left to pay; 0 once it is paid or void."),
        Field("dueAt", Instant(), "Until when it is to be paid; null for drafts and if nothing is.", nullable=True),
        Field("createdAt", Instant(), "When the draft was made."),
        Field("finalizedAt", Instant(), "When it became final; null before.", nullable=True),
        Field("paidAt", Instant(), "When it was paid; null before.", nullable=True),
        Field("paymentReference", Text(), "What names the payment, as it was said when it was paid.", nullable=True),
        Field("paymentMethod", Text(maximum=64), "How it was paid, as was said then.", nullable=True),
        Field("voidedAt", Instant(), "When it was taken back; null before.", nullable=True),
        Field(
            "seller",
            One(INVOICE_SELLER),
            "Who bills, as said when it became final; null for a draft, and where none was said.",
            nullable=True,
        ),
        Field(
            "buyer",
            One(BUYER),
            "The customer as it was when it became final; null for a draft, and for an invoice of an earlier version.",
            nullable=True,
        ),
        Field("items", Many(INVOICE_ITEM), "Its charges, by period and usage type.", attribute="items"),
        Field(
            "itemsUrl",
            Text(),
            "Where all of them are, if there are more than these; null otherwise.",
            nullable=True,
            attribute="items_url",
        ),
    ),
    row="invoice",
)

UPCOMING_INVOICE = Noun(
    "UpcomingInvoice",
    "The next invoice of a subscription as billing would make it; its amounts are those of all items, on every page.",
    (
        *INVOICE.fields,
        BEHIND,
        Field(
            "nextCursor",
            Cursor(),
            "What brings the next items; null on the last page.",
            nullable=True,
            attribute="next",
        ),
    ),
    row="invoice",
)

INVOICE_FACT = Noun(
    "InvoiceFact",
    "An invoice without its items, as an event tells it.",
    (
        *(one for one in INVOICE.fields if one.name not in {"items", "itemsUrl"}),
        Field("itemCount", Whole(), "How many items it has.", attribute="item_count"),
        Field("itemsUrl", Text(), "Where they are.", attribute="items_url"),
    ),
    row="invoice",
)

PENDING_DOCUMENT = Noun(
    "PendingDocument",
    "A document that is being made: ask again after as many seconds as `Retry-After` says.",
    (
        Field("invoiceId", Id(), "The invoice."),
        Field("status", Choice("pending", "made"), "That it is being made, or is there."),
    ),
)

INVOICE_ITEMS = Noun(
    "InvoiceItems",
    "A page of the items of an invoice.",
    (
        Field("currency", Currency(), "The currency of their amounts."),
        Field("data", Many(INVOICE_ITEM), "The items on this page."),
        Field("nextCursor", Cursor(), "What brings the next page; null on the last.", nullable=True),
    ),
)
