"""Prices on the wire, and what they charge."""

import marshmallow as ma

from api.schemas.base import ValueSchema
from api.schemas.fields import Amount, CurrencyCode, Mapping, Whole
from usage_billing.rating.pricing import MODELS
from usage_billing.reports.preview import Trial, TriedSeries

PRICE = {
    "type": "object",
    "description": """\
A pricing model, its fields, and what may be added to any. Decimals are numbers or strings in, strings out.
`per_unit`: `unitPrice`. `graduated` and `volume`: `tiers: [{upTo, unitPrice, flatFee}]`, the last `upTo` null.
`package`: `packageSize`, `packagePrice`, `freeUnits`. `flat`: `amount`. `percentage`: `rate`,
`fixedFee`, `freeUnits`, `freeRecordings`, `minimumPerRecording`, `maximumPerRecording`.
`by_dimension`, for meters: `cells: [{name, when: {dimension: value or values}, price, limit?}]`, `default` and
`allowance`: `in_order`, `in_proportion` or `limit`.
To any but that: `roundQuantity: {to, mode}` with mode `up`, `down` or `nearest`, which rounds the quantity first.
To any: `discountPercent`, then `minimumAmount`, then `maximumAmount`.""",
    "required": ["model"],
    "properties": {"model": {"type": "string", "enum": sorted(MODELS)}},
    "examples": [{"model": "per_unit", "unitPrice": "10.00"}],
}
CURRENCY = {"type": "string", "pattern": "^[A-Z]{3}$"}


class Price(Mapping):
    """A price on its way in; the domain reads it."""

    openapi = PRICE


class TriedSeriesSchema(ValueSchema):
    """What was used with these ``dimensions``: names, each with a text, a number, true, false or null."""

    builds = TriedSeries

    dimensions = Mapping(required=True)
    quantity = Amount(required=True)


class PreviewPriceSchema(ValueSchema):
    """What to rate: ``quantity`` beyond the allowance, reported in ``recordings`` recordings, in one if not said.

    ``quantities``, given instead of both, has that of each recording: a price with a rule for each needs them.
    ``series``, given instead of these for a price by dimension, has what was used of each combination of dimensions;
    ``allowance`` of it, 0 if not said, is free.
    """

    builds = Trial

    price = Price(required=True)
    quantity = Amount()
    quantities = ma.fields.List(Amount(), validate=ma.validate.Length(max=1000))
    currency = CurrencyCode(required=True)
    recordings = Whole()
    series = ma.fields.List(ma.fields.Nested(TriedSeriesSchema), validate=ma.validate.Length(max=1000))
    allowance = Amount()
