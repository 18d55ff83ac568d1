"""How tax looks: its rates, and what an invoice has of it. Pure."""

from usage_billing.rating.tax.categories import MODES, RATED, TaxCategory
from usage_billing.wire.kinds import Choice, Day, Instant, Money, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Noun

TAX_CATEGORIES = tuple(str(category) for category in TaxCategory)

TAX_RATE = Noun(
    "TaxRate",
    "What a category of a country costs from a day on.",
    (
        Field("id", Whole(), "Its id."),
        Field("country", Text(minimum=2, maximum=2), "The country's ISO 3166 code, such as `DE`."),
        Field("category", Choice(*RATED), "`S` for the standard rate, `AA` for a lower one."),
        Field("rate", Quantity(), "The rate in per cent."),
        Field("effectiveFrom", Day(), "The first day on which it holds."),
        Field("createdAt", Instant(), "When it was said."),
    ),
)

TAX_LINE = Noun(
    "TaxLine",
    "The tax of an invoice for one category, country and rate: reckoned on the sum, rounded once.",
    (
        Field("category", Choice(*TAX_CATEGORIES), "The category by EN 16931; a lower rate is `S` too."),
        Field(
            "country",
            Text(minimum=2, maximum=2),
            "Whose rate it is; null where the rate is 0 everywhere.",
            nullable=True,
        ),
        Field("rate", Quantity(), "The rate in per cent."),
        Field("base", Money(), "The sum of the items."),
        Field("amount", Money(), "The tax on it; negative where the sum is."),
    ),
)

SELLER_TAXES = Noun(
    "SellerTaxes",
    "How tax is reckoned.",
    (Field("mode", Choice(*MODES), "`none`: no tax is shown. `rules`: by countries, tax ids and rates."),),
)
