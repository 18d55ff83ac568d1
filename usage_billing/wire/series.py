"""How usage over time looks. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.kinds import PLAIN, Flag, Identifier, Instant, Json, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun, One

WINDOW = Noun(
    "Window",
    "A stretch of time.",
    (
        Field("start", Instant(), "When it begins."),
        Field("end", Instant(), "When it ends, exclusive."),
        Field("complete", Flag(), "Whether it is over; late usage may change it all the same."),
    ),
)

SERIES = Noun(
    "Series",
    "What one combination of dimension values came to.",
    (
        Field("dimensions", Json(), 'Values by name, numbers as texts; `{"other": true}` for all other series.'),
        Field(
            "values",
            Json({"type": "array", "items": {"type": ["string", "null"]}}),
            "What it came to in each window, in their order; null where there is no value without recordings.",
            attribute="texts",
        ),
        Field(
            "total",
            Quantity(),
            "What it came to in the whole span: the function over all recordings, not the sum of windows.",
            nullable=True,
        ),
    ),
)

USAGE_SERIES = Noun(
    "UsageSeries",
    "Usage over time.",
    (
        Field("usageType", Identifier(), "The usage type."),
        Field("unitName", Text(64), "What one of it is called."),
        Field("aggregation", PLAIN, "How recordings became one quantity."),
        Field("timezone", Text(64), "The time zone that the windows begin in."),
        Field("from", Instant(), "When the first window begins.", attribute="start"),
        Field("to", Instant(), "When the last window ends, exclusive.", attribute="end"),
        Field("asOf", Instant(), "When this was read."),
        Field("behind", Whole(maximum=MAX_BIGINT), "How many recordings are not in it yet."),
        Field("windows", Many(WINDOW, kept=True), "Every window of the span, used or not."),
        Field("series", Many(SERIES), "By total, the largest first."),
        Field("other", One(SERIES), "What `top` left out, and series that are counted as one."),
        Field("total", Quantity(), "What all came to in the whole span.", nullable=True),
    ),
)
