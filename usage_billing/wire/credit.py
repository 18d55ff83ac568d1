"""How a customer's credit looks. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.kinds import Choice, Currency, Id, Identifier, Instant, Money, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun, One, page_of

BALANCE = Noun(
    "Balance",
    "The credit in one currency.",
    (
        Field("currency", Currency(), "The currency."),
        Field("balance", Money(), "The sum of its entries."),
    ),
)

CREDIT_ENTRY = Noun(
    "CreditEntry",
    "One change of a credit.",
    (
        Field("id", Whole(maximum=MAX_BIGINT), "Its number among all entries."),
        Field("currency", Currency(), "The currency of the amount."),
        Field(
            "kind",
            Choice("granted", "applied", "granted_undone", "applied_undone", "by_hand"),
            "Granted by a negative invoice, applied to another one, the undoing of either, or given by hand.",
        ),
        Field("amount", Money(), "The change: positive adds to the credit."),
        Field(
            "invoiceId",
            Id(),
            "The invoice that granted it or that it was applied to; null for credit by hand.",
            nullable=True,
        ),
        Field("createdAt", Instant(), "When it was made."),
        Field("reason", Text(), "Why it was given by hand; null for credit of invoices.", nullable=True),
    ),
)

GIVEN_CREDIT = Noun(
    "GivenCredit",
    "Credit that was given by hand.",
    (
        Field("id", Whole(maximum=MAX_BIGINT), "The number of its entry."),
        Field("currency", Currency(), "The currency of the balance."),
        Field("balance", Money(), "What the customer has in hand now."),
    ),
)

CREDITS = Noun(
    "Credits",
    "What a customer has in hand, and how it came and went.",
    (
        Field("userId", Identifier(), "The customer.", attribute="customer_id"),
        Field("balances", Many(BALANCE), "The credit, one entry per currency."),
        Field("entries", One(page_of(CREDIT_ENTRY)), "A page of the changes, newest first."),
    ),
)
