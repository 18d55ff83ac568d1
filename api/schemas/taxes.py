"""Tax rates on the wire."""

from decimal import Decimal
from typing import Any

import marshmallow as ma

from api.schemas.base import CodedText, ValueSchema
from api.schemas.fields import Amount, Country, Day, Text
from api.schemas.paging import PageQuery
from usage_billing.rating.tax.categories import RATED, TaxCategory
from usage_billing.taxes.service import MAX_RATE_PLACES, NewTaxRate

_WITHOUT = CodedText("has no rate: it is 0 everywhere", "not_supported")


class RatedCategory(Text):
    """A category that has rates."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.openapi = {"type": "string", "enum": list(RATED)}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if text in RATED:
            return text
        if text in tuple(TaxCategory):
            raise ma.ValidationError(_WITHOUT)
        raise ma.ValidationError(CodedText(f"must be one of: {', '.join(RATED)}", "not_a_choice"))


class NewTaxRateSchema(ValueSchema):
    """A rate in per cent, from the day ``effectiveFrom`` on; of two for one day the later said holds.

    ``category`` is S for the standard rate, or AA for a lower one.
    """

    builds = NewTaxRate

    country = Country(required=True)
    category = RatedCategory(required=True)
    rate = Amount(maximum=Decimal(100), places=MAX_RATE_PLACES, required=True)
    effective_from = Day(required=True)


class TaxRatesQuery(PageQuery):
    """Which rates."""

    country = Country(load_default=None)
    category = RatedCategory(load_default=None)
