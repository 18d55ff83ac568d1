"""How the report on what was sold beforehand looks. Pure."""

from usage_billing.core.limits import MAX_UNIT_NAME
from usage_billing.wire.kinds import Choice, Currency, Day, Id, Identifier, Instant, Money, Quantity, Text
from usage_billing.wire.noun import Field, Many, Noun

PREPAID_LINE = Noun(
    "PrepaidLine",
    "What was sold beforehand in one currency: in all, of a day, or of a grant.",
    (
        Field("currency", Currency(), "The currency of the amounts."),
        Field("day", Day(), "The day in UTC; null unless it is asked by day.", nullable=True),
        Field("grantId", Id(), "The grant; null unless it is asked by grant.", nullable=True),
        Field("walletId", Identifier(), "Its wallet; null unless it is asked by grant.", nullable=True),
        Field("userId", Identifier(), "Its customer; null otherwise.", nullable=True, attribute="customer_id"),
        Field("deferredAtStart", Money(), "What was sold and not yet earned at the start."),
        Field("sold", Money(), "What was sold, less what was taken back as a mistake."),
        Field("recognised", Money(), "The cost of what usage was posted against, less what came back."),
        Field("breakage", Money(), "The cost of what expired unused."),
        Field("refunded", Money(), "What goes back to customers."),
        Field("deferredAtEnd", Money(), "What is deferred at the end: the start and sold, less the other three."),
        Field("provisional", Money(), "The cost of what is drawn now and not posted; null by day.", nullable=True),
    ),
)
GIVEN_UNITS = Noun(
    "GivenUnits",
    "What was given and cost nothing, in one unit.",
    (
        Field("unitName", Text(maximum=MAX_UNIT_NAME), "What one unit is called."),
        Field("given", Quantity(), "The units that were given in the span, less what was taken back."),
        Field("used", Quantity(), "The given units that usage was posted against in the span."),
        Field("expired", Quantity(), "The given units that expired in the span."),
    ),
)
PREPAID_REPORT = Noun(
    "PrepaidReport",
    "What was sold beforehand as finance books it. The figures of neighbouring spans add up.",
    (
        Field("from", Instant(), "From when on; null: from the first sale.", nullable=True, attribute="start"),
        Field("to", Instant(), "To before when.", attribute="end"),
        Field("asOf", Instant(), "The moment of what is provisional."),
        Field("by", Choice("currency", "day", "grant"), "What a line is of."),
        Field("data", Many(PREPAID_LINE), "The lines, by currency, then day or grant.", attribute="lines"),
        Field("given", Many(GIVEN_UNITS), "What was given beside it, by unit."),
    ),
)
