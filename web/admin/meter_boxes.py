"""The fields that say what a usage type or a meter counts."""

from typing import Any

from usage_billing.wire.usage_type import AGGREGATIONS
from web.admin.forms import Box
from web.admin.kinds import DIMENSIONS, SERIES


def _choice(name: str, label: str, words: tuple[str, ...], help: str = "") -> Box:
    pairs = (("", "—"), *((word, word) for word in words))
    return Box(name=name, label=label, type="choice", choices=pairs, required=False, help=help)


def aggregation_box() -> Box:
    """How recordings become one quantity."""
    pairs = tuple((one, one) for one in AGGREGATIONS)
    return Box(name="aggregation", label="Recordings become one quantity by", type="choice", choices=pairs, value="sum")


def counted_boxes(known: dict[str, Any]) -> list[Box]:
    """What a meter counts, with what is ``known`` of it."""
    dimensions = "\n".join(
        one["as"] if one["as"] == one["value"] else f"{one['as']}={one['value']}"
        for one in known.get("dimensions") or ()
    )
    value, where, limit = known.get("value"), known.get("where"), known.get("seriesLimit")
    return [
        Box(name="value", label="Value of a recording", value=value or "", required=False,
            help="An expression over its metadata, such as input + output; its quantity, if empty."),
        Box(name="where", label="Recordings that count", value=where or "", required=False,
            help='A condition, such as status == "ok"; all, if empty.'),
        Box(name="dimensions", label="Dimensions", kind=DIMENSIONS, type="area", rows=3, value=dimensions,
            required=False, help="One a line: a field, or NAME=EXPRESSION."),
        Box(name="seriesLimit", label="Series beyond this number are counted as one", kind=SERIES,
            value="" if limit is None else str(limit), required=False),
    ]  # fmt: skip


def level_boxes() -> list[Box]:
    """What is said of a level alone."""
    return [
        _choice("mode", "Of a level: recordings", ("change", "set"), "Change it, or set it."),
        _choice("per", "Of a level: a unit for so long counts as one", ("second", "hour", "day", "period")),
        _choice("carry", "Of a level or a unique_count: it goes on into the next period", ("yes",)),
    ]


def quantity_box(value: str = "") -> Box:
    """What makes the quantity of a usage type that is no meter."""
    says = "An expression over the metadata; the sender gives the quantity, if empty."
    return Box(name="quantityFrom", label="What makes the quantity", value=value, required=False, help=says)


def level_of(values: dict[str, Any]) -> dict[str, Any]:
    """What the fields of ``level_boxes`` say, by the names of a meter."""
    return {"mode": values["mode"], "per": values["per"], "carry": values["carry"] == "yes" or None}
