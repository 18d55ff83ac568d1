"""How the arithmetic of a price looks. Pure."""

from usage_billing.wire.kinds import Currency, Money, Quantity, Text
from usage_billing.wire.noun import Field, Many, Noun

LINE = Noun(
    "Line",
    "One step of the arithmetic.",
    (
        Field("label", Text(), "What the step is, in words."),
        Field("quantity", Quantity(), "How many units it is for."),
        Field("amount", Quantity(), "What it charges, exactly; it may have more digits than the currency."),
    ),
)

PREVIEW = Noun(
    "Preview",
    "What a price charges for a quantity.",
    (
        Field("amount", Money(), "What is charged: `exact`, rounded once, half up."),
        Field("exact", Quantity(), "What the steps add up to, in the currency."),
        Field("currency", Currency(), "The currency of the amounts."),
        Field("breakdown", Many(LINE), "The steps of the arithmetic, in order."),
    ),
)
