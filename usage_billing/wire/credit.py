"""How a customer's credit looks. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.kinds import Choice, Currency, Id, Identifier, Instant, Money, Whole
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
            Choice("granted", "applied", "granted_undone", "applied_undone"),
            "Granted by a negative invoice, applied to another one, or the undoing of either.",
        ),
        Field("amount", Money(), "The change: positive adds to the credit."),
        Field("invoiceId", Id(), "The invoice that granted it or that it was applied to."),
        Field("createdAt", Instant(), "When it was made."),
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
