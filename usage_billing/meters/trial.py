"""What a definition makes of one recording, with each reason why it makes nothing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import plain
from usage_billing.expressions.values import NULL
from usage_billing.meters.definition import Definition, Function
from usage_billing.meters.dimensions import MAX_DIMENSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of a recording. ``counts`` None: it has no value, and is skipped.

    ``value`` and ``dimensions`` are as JSON has them, numbers as texts.
    """

    record_id: str | None
    counts: bool | None
    value: str | None
    dimensions: Mapping[str, Any]
    refusals: list[str]


def series_values(definition: Definition, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The values by dimension of the series that a recording with this metadata comes to; numbers are exact."""
    return {one.name: _scalar(one.expression.evaluate(metadata)) for one in definition.dimensions}


def try_out(
    definition: Definition,
    metadata: Mapping[str, Any],
    *,
    quantity: Decimal | None = None,
    record_id: str | None = None,
) -> Trial:
    """What the definition makes of a recording with this metadata and quantity."""
    refusals: list[str] = []
    met = True if definition.condition is None else definition.condition.evaluate(metadata)
    if met is None:
        refusals.append("where: a field that it needs is missing or unfit")
    value = _value(definition, metadata, quantity)
    if met and value is None:
        refusals.append("value: a field that it needs is missing or unfit")
    counts = None if met is None or (met and value is None) else met
    dimensions = {}
    for one in definition.dimensions:
        found = one.expression.evaluate(metadata)
        dimensions[one.name] = _shown(found)
        if found is not None and found is not NULL and dimensions[one.name] is None:
            refusals.append(f"{one.name}: a list, an object, or longer than {MAX_DIMENSION} characters; counts as null")
    return Trial(
        record_id=record_id,
        counts=counts,
        value=value if counts else None,
        dimensions=dimensions,
        refusals=refusals,
    )


def counted_value(definition: Definition, metadata: Mapping[str, Any], quantity: Decimal) -> Any:
    """What a recording adds to a meter of this definition: a number, or what is told apart.

    None if it does not count, or has no value.
    """
    if definition.condition is not None and definition.condition.evaluate(metadata) is not True:
        return None
    text = _value(definition, metadata, quantity)
    if definition.is_of_any_kind and definition.value_expression is not None:
        return None if text is None else told_apart(definition.value_expression.evaluate(metadata))
    return None if text is None else Decimal(text)


def _value(definition: Definition, metadata: Mapping[str, Any], quantity: Decimal | None) -> str | None:
    """As it is shown."""
    if definition.function == Function.COUNT:
        return "1"
    if definition.value_expression is None:
        return None if quantity is None else plain(quantity)
    if definition.is_of_any_kind:
        found = definition.value_expression.evaluate(metadata)
        return None if found is None or found is NULL else _spelled(found)
    number = definition.value_expression.number(metadata)
    return None if number is None else plain(number)


def told_apart(value: Any) -> tuple[bool, str]:
    """What tells a value from others: whether it is a text, and how it is spelled."""
    return isinstance(value, str), _spelled(value)


def _spelled(value: Any) -> str:
    """A text as it is; true and false, and a number, as JSON spells them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else plain(Decimal(value))


def _scalar(value: Any) -> Any:
    """A dimension's value; null where there is none, or none that fits."""
    shown = _shown(value)
    return shown if shown is None or isinstance(value, bool | str) else Decimal(value)


def _shown(value: Any) -> str | bool | None:
    """A dimension's value: numbers as text, so that none is ever a float."""
    if value is None or value is NULL or isinstance(value, list | Mapping):
        return None
    if isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else plain(Decimal(value))
    return text if len(text) <= MAX_DIMENSION else None
