"""How a usage type looks. Pure."""

from usage_billing.wire.kinds import Choice, Identifier, Instant, Text
from usage_billing.wire.noun import Field, Noun

USAGE_TYPE = Noun(
    "UsageType",
    "A usage type: what is counted.",
    (
        Field("id", Identifier(), "The name that the caller gave it; the `usageType` of recordings."),
        Field("unitName", Text(64), "What one of it is called."),
        Field("aggregation", Choice("sum"), "How recordings of it become one quantity."),
        Field("createdAt", Instant(), "When it was made."),
    ),
)
