"""What is asked of usage over time."""

from typing import Any

import marshmallow as ma

from api.schemas.base import Field, wrong
from api.schemas.fields import Choice, Identifier, Text, Whole
from api.schemas.paging import SpanQuery
from usage_billing.core.errors import InvalidInput
from usage_billing.reports.series import SeriesRequest, read_wanted
from usage_billing.reports.series_windows import CHOICES


class Names(Field):
    """Names of dimensions, with commas between."""

    openapi = {"type": "string", "examples": ["model,direction"]}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        return [name.strip() for name in str(value).split(",") if name.strip()]


class Wanted(Field):
    """A JSON object: by name of a dimension, a list of the values that are wanted."""

    openapi = {"type": "string", "examples": ['{"model": ["gpt"]}']}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, list[str | bool | None]]:
        try:
            return read_wanted(str(value))
        except InvalidInput as error:
            raise wrong(error.fields[0].message, "invalid") from None


class SeriesQuery(SpanQuery):
    """Which usage, over which span, in which windows.

    Without ``from`` and ``to`` it is the present billing period, in whole windows that they touch. ``timezone`` is the
    subscription's unless given, and is not given with ``by=period``. ``groupBy`` names dimensions; ``dimensions`` says
    which values of them are wanted; ``top`` how many series are shown beside the rest.
    """

    # What a query asks for follows from its text alone, and pages that are looked at again send the same one.
    reads_alike = True

    usage_type = Identifier(required=True)
    by = Choice(*CHOICES, load_default="day")
    zone = Text(data_key="timezone", maximum=64, load_default=None)
    group_by = Names()
    dimensions = Wanted(load_default=dict)
    top = Whole(minimum=1, maximum=10_000, load_default=None)

    @ma.post_load
    def build(self, data: dict[str, Any], **_: Any) -> SeriesRequest:
        """What the report is asked."""
        return SeriesRequest(**data)
