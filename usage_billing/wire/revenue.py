"""How the report on what was billed looks. Pure."""

from usage_billing.wire.kinds import Choice, Currency, Identifier, Instant, Json, Money, Words
from usage_billing.wire.noun import Field, Many, Noun

_MONTH = Json({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"})
REVENUE_BY = ("month", "plan", "usageType", "customer")
_CURRENCY = Field("currency", Currency(), "The currency of the amounts.")
_OF_WHOLE = "null by plan or usage type, for it is of whole invoices."
_AMOUNTS = (
    Field("usage", Money(), "Charges for usage."),
    Field("fees", Money(), "Base fees."),
    Field("purchases", Money(), "What was bought beforehand, which the report on prepaid sales recognises later."),
    Field("adjustments", Money(), "What was put right of periods that were invoiced, below 0 where it came back."),
    Field("voided", Money(), "What stood on invoices that became void in the span."),
    Field("net", Money(), "The charges without tax: the four before, less what was voided."),
    Field("tax", Money(), f"The tax on it; {_OF_WHOLE}", nullable=True),
    Field("totalWithTax", Money(), f"What it came to; {_OF_WHOLE}", nullable=True),
    Field("prepaidApplied", Money(), f"What grants of wallets in money paid; {_OF_WHOLE}", nullable=True),
    Field("creditApplied", Money(), f"What credit paid; {_OF_WHOLE}", nullable=True),
    Field("creditGranted", Money(), f"What invoices below zero gave as credit; {_OF_WHOLE}", nullable=True),
    Field("amountDue", Money(), f"What was left to be paid when they became final; {_OF_WHOLE}", nullable=True),
)
REVENUE_LINE = Noun(
    "RevenueLine",
    "What was billed in one currency, of what `by` tells apart.",
    (
        Field("month", _MONTH, "The month in UTC in which it became final or void; null unless asked.", nullable=True),
        _CURRENCY,
        Field("planId", Identifier(), "The plan; null unless asked, and for what was bought.", nullable=True),
        Field("usageType", Identifier(), "The usage type; null unless asked, and for what is no usage.", nullable=True),
        Field("userId", Identifier(), "The customer; null unless asked.", nullable=True, attribute="customer_id"),
        *_AMOUNTS,
    ),
)
REVENUE_TOTAL = Noun("RevenueTotal", "What was billed in one currency, in all.", (_CURRENCY, *_AMOUNTS))
REVENUE_REPORT = Noun(
    "RevenueReport",
    "What was billed by final invoices. The figures of neighbouring spans add up.",
    (
        Field("from", Instant(), "From when on; null: from the first invoice.", nullable=True, attribute="start"),
        Field("to", Instant(), "To before when.", attribute="end"),
        Field("by", Words(Choice(*REVENUE_BY)), "What the lines are told apart by."),
        Field("data", Many(REVENUE_LINE), "By month, currency, plan, usage type, customer.", attribute="lines"),
        Field("totals", Many(REVENUE_TOTAL), "All lines together, by currency."),
    ),
)
