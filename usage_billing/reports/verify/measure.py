"""What a recording adds to which series of a meter, by Python."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from usage_billing.core.decimals import EXACT
from usage_billing.expressions import expression
from usage_billing.expressions.python import Metadata
from usage_billing.expressions.values import NULL

_LONGEST = 128  # characters of a dimension's value
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")


class Measure:
    """A definition, as Python: what a recording adds to which series. What is told apart is told from its type too."""

    def __init__(self, definition: Any) -> None:
        self._counts = definition.function == "count"
        self._distinct = definition.function == "unique_count"
        read = expression.scalar if self._distinct else expression.number
        self._value = None if definition.value is None else read(definition.value)
        self._where = None if definition.condition is None else expression.condition(definition.condition)
        self.names = [one["as"] for one in definition.dimensions]
        self._dimensions: list[Callable[[Metadata], Any]] = [
            expression.anything(one["value"]).evaluate for one in definition.dimensions
        ]

    def of(self, row: Any) -> tuple[Any, str, Mapping[str, Any]] | None:
        """The recording's value, its series, and that by dimension; None if it does not count, or has no value."""
        metadata = _decoder.decode(row.metadata)
        if self._where is not None and self._where.evaluate(metadata) is not True:
            return None
        value = row.quantity if self._value is None else self._evaluate(metadata)
        if self._counts:
            value = Decimal(1)
        if value is None:
            return None
        values = [_dimension(evaluate(metadata)) for evaluate in self._dimensions]
        return value, series_text(values), dict(zip(self.names, values, strict=True))

    def _evaluate(self, metadata: Metadata) -> Any:
        if self._value is None or not self._distinct:
            return None if self._value is None else self._value.number(metadata)
        value = self._value.evaluate(metadata)
        return None if value is None or value is NULL else series_text(_dimension(value, longest=None))


def _dimension(value: Any, *, longest: int | None = _LONGEST) -> Any:
    if value is NULL or value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else f"{EXACT.normalize(Decimal(value)):f}"
    return (value if isinstance(value, str) else Decimal(text)) if longest is None or len(text) <= longest else None


def series_text(series: Any) -> str:
    """A series as text, so that true is not 1, and 1 is 1.0."""
    return _encoder.encode(series).decode()
