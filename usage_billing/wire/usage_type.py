"""How a usage type looks: one that is counted as it is recorded, or a meter. Pure."""

from dataclasses import replace

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.kinds import PLAIN, Choice, Flag, Identifier, Instant, Json, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun, One, attribute_of
from usage_billing.wire.tax import TAX_CATEGORIES

AGGREGATIONS = ("sum", "count", "max", "min", "latest", "unique_count", "average", "level")
MAX_SERIES = 100_000

DIMENSION = Noun(
    "Dimension",
    "What the series of a meter are told apart by.",
    (
        Field("as", PLAIN, "Its name.", attribute="name"),
        Field("value", PLAIN, "The expression of its value."),
    ),
)

WINDOW = Noun(
    "MeterWindow",
    "The windows in which a meter's function applies, and how they become one quantity.",
    (
        Field("every", Choice("5m", "hour", "day"), "How long one is, on the subscription's clock."),
        Field("across", Choice("max", "sum", "average", "percentile"), "How they become the period's quantity."),
        Field("percent", Quantity(), "Of a percentile, by nearest rank.", nullable=True),
        Field("empty", Choice("zero", "skip"), "One without recordings is 0, or is left out."),
        Field(
            "rate",
            Choice("second", "minute", "hour", "day"),
            "What came together in one is divided by so much of its time; null: it is not divided.",
            nullable=True,
        ),
    ),
)

_COUNTED = (
    Field("value", PLAIN, "The expression of a recording's value; null: its quantity.", nullable=True),
    Field("where", PLAIN, "The condition of a recording that counts; null: all do.", nullable=True),
    Field("dimensions", Many(DIMENSION), "What its series are told apart by; null for no meter.", nullable=True),
    Field(
        "seriesLimit",
        Whole(minimum=1, maximum=MAX_SERIES),
        "Series of a subscription in a period beyond this number are counted as one.",
        nullable=True,
    ),
    Field(
        "mode",
        Choice("change", "set"),
        "Of a level: recordings say by how much it changes, or what it is.",
        nullable=True,
        attribute="level.said_mode",
    ),
    Field(
        "per",
        Choice("second", "hour", "day", "period"),
        "Of a level: it counts a unit for so long; `period`: its mean in the billing period.",
        nullable=True,
        attribute="level.said_per",
    ),
    Field(
        "carry",
        Flag(),
        "Whether a billing period begins at the level, or with the distinct values, of the one before.",
        nullable=True,
        attribute="level.carry",
    ),
    Field(
        "window",
        One(WINDOW),
        "The windows in which the function applies; null: to the billing period as a whole.",
        nullable=True,
        attribute="windowing",
    ),
    Field("version", Whole(), "Which definition this is: 1, 2 and so on.", nullable=True),
    Field(
        "effectiveFrom",
        Instant(),
        "It holds for periods that begin from then on; where it makes quantities, for what occurs from then on.",
        nullable=True,
    ),
    Field(
        "quantityFrom",
        PLAIN,
        "The expression that makes the quantity of a recording of a type that is no meter; null: its sender gives it.",
        nullable=True,
    ),
)

METER_DEFINITION = Noun(
    "MeterDefinition",
    "A version of what a meter counts, or of how another usage type makes quantities; it never changes.",
    (*_COUNTED, Field("createdAt", Instant(), "When it was made.")),
)

FOLDING = Noun(
    "Folding",
    "How far a meter is.",
    (
        Field("usageType", Identifier(), "The meter.", attribute="meter"),
        Field(
            "behind", Whole(maximum=MAX_BIGINT), "How many recordings it has still to count.", attribute="recordings"
        ),
        Field("skipped", Whole(maximum=MAX_BIGINT), "How many recordings had no value for it."),
        Field("unfit", Whole(maximum=MAX_BIGINT), "How many values of dimensions count as null, as a list does."),
        Field("lookedBack", Flag(), "Whether the periods from before it are counted."),
    ),
)

USAGE_TYPE = Noun(
    "UsageType",
    "A usage type: what is counted. With `of` it is a meter, which counts recordings of that other type.",
    (
        Field("id", Identifier(), "The name that the caller gave it; the `usageType` of recordings."),
        Field("unitName", Text(64), "What one of it is called."),
        Field("aggregation", Choice(*AGGREGATIONS), "How recordings of it become one quantity."),
        Field("createdAt", Instant(), "When it was made."),
        Field("of", Identifier(), "The usage type whose recordings it counts; null for no meter.", nullable=True),
        *(
            replace(one, nullable=True, attribute=f"definition.{attribute_of(METER_DEFINITION, one)}")
            for one in _COUNTED
        ),
        Field("since", Instant(), "It counts what occurred from then on.", nullable=True, attribute="meter.since"),
        Field("retiredAt", Instant(), "From when on it counts nothing.", nullable=True, attribute="meter.retired_at"),
        Field("taxCategory", Choice(*TAX_CATEGORIES), "How it is taxed: a category of EN 16931, or AA."),
    ),
    row="usage_type",
)

EVALUATION = Noun(
    "EvaluatedRecording",
    "What a meter makes of a recording.",
    (
        Field("recordId", PLAIN, "The recording; null for metadata that were given.", nullable=True),
        Field("counts", Flag(), "Whether it counts; null: it has no value, and is skipped.", nullable=True),
        Field("value", PLAIN, "What it adds; null where it does not count.", nullable=True),
        Field("dimensions", Json(), "By name, the values that tell its series."),
        Field("refusals", Json({"type": "array", "items": {"type": "string"}}), "In words, what is missing or unfit."),
    ),
)

EVALUATIONS = Noun(
    "Evaluations",
    "What a meter would make of recordings; nothing is stored.",
    (Field("data", Many(EVALUATION), "One for each recording, the latest first."),),
)

METER_DEFINITIONS = Noun(
    "MeterDefinitions",
    "The versions of what a meter counts, or of how another usage type makes quantities.",
    (
        Field(
            "data", Many(METER_DEFINITION), "The latest first; none for a usage type whose senders give the quantity."
        ),
    ),
)
