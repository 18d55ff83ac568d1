"""What the series of a meter are told apart by, read from what a caller gives. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from usage_billing.core.errors import InvalidInput
from usage_billing.expressions import expression
from usage_billing.expressions.errors import ExpressionError
from usage_billing.expressions.expression import Expression
from usage_billing.expressions.tree import Field

MAX_DIMENSIONS = 4
MAX_DIMENSION = 128
"""Characters of a dimension's name, and of a value of it."""
OTHER = "other"
"""The name under which the series beyond the limit are lumped; no dimension can have it."""


@dataclass(frozen=True)
class Dimension:
    """What a series is told apart by: a name, and the expression of its value."""

    name: str
    value: str

    @cached_property
    def expression(self) -> Expression:
        """The value's expression: it gives anything; what is no scalar counts as null."""
        return expression.anything(self.value)

    def fields(self) -> dict[str, str]:
        """As it is stored and shown."""
        return {"as": self.name, "value": self.value}


def stored_dimensions(stored: Sequence[Mapping[str, str]]) -> tuple[Dimension, ...]:
    """The dimensions that ``Dimension.fields`` wrote."""
    return tuple(Dimension(one["as"], one["value"]) for one in stored)


def read_dimensions(given: Sequence[str | Mapping[str, Any]]) -> tuple[Dimension, ...]:
    """The dimensions that a caller gives; raises InvalidInput with a pointer to what is wrong with them."""
    if len(given) > MAX_DIMENSIONS:
        message = f"a meter has at most {MAX_DIMENSIONS} dimensions"
        raise InvalidInput.field("/dimensions", message, code="out_of_range")
    found: list[Dimension] = []
    for index, one in enumerate(given):
        dimension = _dimension(one, f"/dimensions/{index}")
        if dimension.name in {OTHER, *(earlier.name for earlier in found)}:
            message = f"the name {dimension.name} is taken"
            raise InvalidInput.field(f"/dimensions/{index}", message, code="contradiction")
        found.append(dimension)
    return tuple(found)


def _dimension(given: str | Mapping[str, Any], pointer: str) -> Dimension:
    if isinstance(given, str):
        read = check_expression(pointer, given, expression.anything)
        if read is None or not isinstance(read.node, Field):
            message = 'an expression needs a name: {"as": "name", "value": "expression"}'
            raise InvalidInput.field(pointer, message, code="required")
        return Dimension(_name(".".join(read.node.path), pointer), given)
    for unknown in sorted(given.keys() - {"as", "value"}):
        raise InvalidInput.field(f"{pointer}/{unknown}", "is not a field of a dimension", code="unknown")
    for name in ("as", "value"):
        if not isinstance(given.get(name), str):
            raise InvalidInput.field(f"{pointer}/{name}", "must be a text", code="not_a_text")
    check_expression(f"{pointer}/value", given["value"], expression.anything)
    return Dimension(_name(given["as"], f"{pointer}/as"), given["value"])


def _name(name: str, pointer: str) -> str:
    if not 1 <= len(name) <= MAX_DIMENSION or not name.isprintable():
        message = f"a dimension's name has 1 to {MAX_DIMENSION} printable characters"
        raise InvalidInput.field(pointer, message, code="bad_text")
    return name


def check_expression(pointer: str, text: str | None, read: Callable[[str], Expression]) -> Expression | None:
    """The expression that ``text`` is, if it is given; raises InvalidInput at ``pointer``."""
    if text is None:
        return None
    try:
        return read(text)
    except ExpressionError as error:
        raise InvalidInput.field(pointer, str(error), code="not_an_expression") from error
