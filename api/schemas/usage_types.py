"""Usage types and meters on the wire."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import marshmallow as ma

from api.schemas.base import ChangesSchema, CodedText, Field, Schema, ValueSchema, wrong
from api.schemas.fields import Choice, Flag, Identifier, Instant, Mapping, NewIdentifier, Text, Whole
from usage_billing.catalog.service import NewUsageType
from usage_billing.core.limits import MAX_UNIT_NAME
from usage_billing.flows.administration.manage_meters import UsageTypeChanges
from usage_billing.flows.administration.manage_quantities import QuantityChange
from usage_billing.meters.asked import MeterChanges, NewMeter
from usage_billing.meters.definition import MAX_SERIES, MODES, PERS, Function
from usage_billing.meters.windowing import Across, Empty, Every, Rate
from usage_billing.rating.tax.categories import TaxCategory
from usage_billing.reports.evaluations import EvaluationRequest

# The expression itself says, with the place, when it is too long.
_EXPRESSION = 4096
_METERS = ("value", "where", "dimensions", "series_limit")
_FIXED = ("mode", "per", "carry", "window", "since")
_ITS_OWN = CodedText("is a meter's: `of` names the usage type that it counts", "contradiction")

_RECORDED = CodedText("is of a usage type that is recorded; a meter has `value`", "contradiction")


class OneOf(Text):
    """One of some words; the domain refuses what it does not offer."""

    def __init__(self, words: Iterable[StrEnum], **options: Any) -> None:
        super().__init__(maximum=16, **options)
        self.openapi = {"type": "string", "enum": list(words)}


class Dimension(Field):
    """A field's name, or ``{"as": name, "value": expression}``."""

    openapi: dict[str, Any] = {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "required": ["as", "value"],
                "properties": {"as": {"type": "string"}, "value": {"type": "string"}},
                "additionalProperties": False,
            },
        ]
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, str | dict):
            raise wrong("must be a field's name, or an object with `as` and `value`", "invalid")
        return value


class Window(Field):
    """The windows in which a meter's function applies, and how they become one quantity; the domain checks them."""

    openapi: dict[str, Any] = {
        "type": "object",
        "required": ["every", "across"],
        "properties": {
            "every": {"type": "string", "enum": list(Every)},
            "across": {"type": "string", "enum": list(Across)},
            "percent": {"type": ["number", "string"], "description": "Of a percentile: above 0, at most 100."},
            "empty": {"type": "string", "enum": list(Empty)},
            "rate": {"type": "string", "enum": list(Rate)},
        },
        "additionalProperties": False,
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong("must be an object with `every` and `across`", "not_an_object")
        return value


class NewUsageTypeSchema(ValueSchema):
    """A usage type as it is created; with ``of`` a meter, which counts recordings of that other type once more.

    ``aggregation`` makes one quantity of the recordings' ``value``, an expression over metadata, or without one their
    quantities; ``unique_count`` needs one, and ``count`` takes none. A ``level`` has a ``mode`` and counts ``per``
    time; with ``carry`` it, or the distinct values, go on into the next period. With ``window`` the function applies
    ``every`` five minutes, hour or day, and ``across`` them they become one quantity. ``where`` is the condition of
    those that count. ``dimensions`` tell its series apart, at most ``seriesLimit`` for a subscription and period. It
    counts what occurred ``since``, or from now on. Charges for it are taxed by ``taxCategory``: a category of EN 16931,
    or AA for a lower rate.

    ``quantityFrom`` is an expression over metadata that makes the quantity of a recording, where it is no meter's.
    """

    builds: type[Any] = NewUsageType

    id = NewIdentifier(required=True)
    unit_name = Text(maximum=MAX_UNIT_NAME, required=True)
    aggregation = OneOf(Function, load_default="sum")
    of = Identifier(load_default=None)
    value = Text(maximum=_EXPRESSION)
    where = Text(maximum=_EXPRESSION)
    dimensions = ma.fields.List(Dimension())
    series_limit = Whole(minimum=1, maximum=MAX_SERIES)
    mode = OneOf(MODES)
    per = OneOf(PERS)
    carry = Flag()
    window = Window()
    since = Instant()
    tax_category = Choice(*TaxCategory, load_default=TaxCategory.STANDARD)
    quantity_from = Text(maximum=_EXPRESSION)

    @ma.post_load
    def build(self, data: dict[str, Any], **_: Any) -> NewUsageType | NewMeter:
        """The plain type or the meter."""
        if data["of"] is not None:
            if "quantity_from" in data:
                raise ma.ValidationError({"quantityFrom": [_RECORDED]})
            return NewMeter(**data)
        for name in (*_METERS, *_FIXED):
            if name in data:
                raise ma.ValidationError({self.fields[name].data_key or name: [_ITS_OWN]})
        return NewUsageType(**data)


class UsageTypeChangesSchema(ChangesSchema):
    """What may change of a usage type: its unit's name and its tax category; of a meter by a next definition the rest.

    What is not given stays as it is; null takes ``value`` or ``where`` away. The definition holds for periods that
    begin at ``effectiveFrom`` or later, or from now on. What is no meter takes ``quantityFrom``, which holds for what
    occurs at ``effectiveFrom`` or later; with null senders give the quantity again.
    """

    builds = UsageTypeChanges

    unit_name = Text(maximum=MAX_UNIT_NAME)
    value = Text(maximum=_EXPRESSION, allow_none=True)
    where = Text(maximum=_EXPRESSION, allow_none=True)
    dimensions = ma.fields.List(Dimension())
    series_limit = Whole(minimum=1, maximum=MAX_SERIES)
    effective_from = Instant()
    tax_category = Choice(*TaxCategory)
    quantity_from = Text(maximum=_EXPRESSION, allow_none=True)

    @ma.validates_schema
    def moment_of_a_definition(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a moment for no next definition, and definitions of a meter and of none together."""
        given = [name for name in _METERS if name in data]
        if "quantity_from" in data and given:
            raise ma.ValidationError({"quantityFrom": [_RECORDED]})
        if "effective_from" in data and not given and "quantity_from" not in data:
            message = CodedText("is of a next definition, and none is given", "contradiction")
            raise ma.ValidationError({"effectiveFrom": [message]})

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """Each of the changes."""
        given, since = {name: data[name] for name in _METERS if name in data}, data.get("effective_from")
        return {
            "unit_name": data.get("unit_name"),
            "tax_category": data.get("tax_category"),
            "definition": MeterChanges(given=given, effective_from=since) if given else None,
            "quantity": QuantityChange(value=data["quantity_from"], effective_from=since)
            if "quantity_from" in data
            else None,
        }


class EvaluationSchema(ValueSchema):
    """A definition to try out: on ``metadata``, or on the ``last`` recordings of a subscription of the type ``of``.

    With ``quantityFrom`` it is what makes the quantity of a recording, and nothing else of a definition is given.
    """

    builds = EvaluationRequest

    aggregation = OneOf(Function, load_default="sum")
    value = Text(maximum=_EXPRESSION, load_default=None)
    where = Text(maximum=_EXPRESSION, load_default=None)
    dimensions = ma.fields.List(Dimension(), load_default=())
    mode = OneOf(MODES, load_default=None)
    per = OneOf(PERS, load_default=None)
    carry = Flag(load_default=None)
    window = Window(load_default=None)
    metadata = Mapping(load_default=None)
    subscription_id = Identifier(load_default=None)
    of = Identifier(load_default=None)
    last = Whole(minimum=1, maximum=100, load_default=None)
    quantity_from = Text(maximum=_EXPRESSION, load_default=None)


class SkippedQuery(Schema):
    """How many of them."""

    limit = Whole(minimum=1, maximum=1000, load_default=100)
