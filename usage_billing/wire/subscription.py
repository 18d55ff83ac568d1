"""How a subscription and its terms look. Pure."""

from usage_billing.wire.kinds import Choice, Flag, Identifier, Instant, Text
from usage_billing.wire.noun import Field, Many, Noun

TERM = Noun(
    "Term",
    "A span of a subscription on one plan, or paused.",
    (
        Field("planId", Identifier(), "The plan of this span."),
        Field("startsAt", Instant(), "When it begins."),
        Field("endsAt", Instant(), "When it ends, exclusive; null for ever.", nullable=True),
        Field("paused", Flag(), "Whether nothing is charged in it."),
    ),
)

SUBSCRIPTION = Noun(
    "Subscription",
    "A customer on a plan.",
    (
        Field("id", Identifier(), "The name that the caller gave it."),
        Field("userId", Identifier(), "The customer that pays.", attribute="subscription.customer_id"),
        Field("planId", Identifier(), "The plan of the last of its terms."),
        Field("startedAt", Instant(), "From when on its usage counts."),
        Field("endedAt", Instant(), "Until when, exclusive; null for ever.", nullable=True),
        Field("timezone", Text(64), "The IANA time zone that its periods begin in."),
        Field("anchor", Choice("calendar", "anniversary"), "Whether periods follow the calendar or its own start."),
        Field("createdAt", Instant(), "When it was made."),
        Field("terms", Many(TERM), "Its spans on plans and its pauses, in order.", attribute="terms"),
    ),
    row="subscription",
)
