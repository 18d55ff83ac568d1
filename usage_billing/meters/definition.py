"""What a meter counts: function, value, condition, dimensions; read from what a caller gives. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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
MAX_SERIES = 100_000
DEFAULT_SERIES = 1000
OTHER = "other"
"""The name under which the series beyond the limit are lumped; no dimension can have it."""


class Function(StrEnum):
    """How values become one quantity."""

    SUM = "sum"
    COUNT = "count"
    MAX = "max"
    MIN = "min"
    LATEST = "latest"
    UNIQUE_COUNT = "unique_count"
    AVERAGE = "average"
    LEVEL = "level"

    @property
    def adds_up(self) -> bool:
        """Whether the values of parts, added up, are the value of the whole."""
        return self in {Function.SUM, Function.COUNT}

    @property
    def is_divided(self) -> bool:
        """Whether the segments of a billing period share its value by their time."""
        return not self.adds_up and self not in {Function.MAX, Function.UNIQUE_COUNT}


class Mode(StrEnum):
    """What a recording says of a level."""

    CHANGE = "change"
    SET = "set"


class Per(StrEnum):
    """The time by which a level counts: a unit for so long, or the mean of a billing period."""

    SECOND = "second"
    HOUR = "hour"
    DAY = "day"
    PERIOD = "period"


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


@dataclass(frozen=True, slots=True)
class Level:
    """How a level is made and counted. With ``carry`` a billing period begins at the level of the one before."""

    mode: Mode
    per: Per
    carry: bool = False


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A checked definition. ``value`` None is the recording's quantity; ``where`` None counts all recordings.

    ``level`` is given for the function of that name, and for no other. ``named`` are the values that cells of prices
    name, by dimension: series that meet them keep their own whatever ``series_limit`` says.
    """

    function: Function
    value: str | None = None
    where: str | None = None
    dimensions: tuple[Dimension, ...] = ()
    series_limit: int = DEFAULT_SERIES
    level: Level | None = None
    named: tuple[Mapping[str, Sequence[Any]], ...] = ()

    @cached_property
    def value_expression(self) -> Expression | None:
        """The expression of a recording's value; None if the definition has none.

        A distinct value may be a text, a number or a boolean; every other is a number.
        """
        if self.value is None:
            return None
        return expression.scalar(self.value) if self.is_of_any_kind else expression.number(self.value)

    @property
    def is_set(self) -> bool:
        """Whether recordings say what a level is, not by how much it changes."""
        return self.level is not None and self.level.mode == Mode.SET

    @property
    def lumps_beyond(self) -> int:
        """Beyond so many series new ones are counted as one. Levels that are set are none together: all are kept."""
        return 2**31 if self.is_set else self.series_limit

    @property
    def is_of_any_kind(self) -> bool:
        """Whether its values need not be numbers."""
        return self.function == Function.UNIQUE_COUNT

    @cached_property
    def condition(self) -> Expression | None:
        """The expression of whether a recording counts; None if all do."""
        return None if self.where is None else expression.condition(self.where)


def read_definition(
    *,
    function: str,
    value: str | None,
    where: str | None,
    dimensions: Sequence[str | Mapping[str, Any]],
    series_limit: int | None,
    mode: str | None = None,
    per: str | None = None,
    carry: bool | None = None,
) -> Definition:
    """The definition that a caller gives; raises InvalidInput with a pointer to what is wrong with it."""
    if function not in set(Function):
        raise InvalidInput.field("/aggregation", f"must be one of: {', '.join(Function)}", code="not_supported")
    if function == Function.COUNT and value is not None:
        message = "a count has no value: where says which recordings count"
        raise InvalidInput.field("/value", message, code="contradiction")
    if function == Function.UNIQUE_COUNT and value is None:
        message = f"{function} needs a value: the expression of what is told apart"
        raise InvalidInput.field("/value", message, code="required")
    level = _level(function, mode, per, carry)
    if level is not None and level.mode == Mode.SET and series_limit is not None:
        message = "levels that are set keep all their series: leave it out"
        raise InvalidInput.field("/seriesLimit", message, code="contradiction")
    _check("/value", value, expression.scalar if function == Function.UNIQUE_COUNT else expression.number)
    _check("/where", where, expression.condition)
    limit = DEFAULT_SERIES if series_limit is None else series_limit
    if not 1 <= limit <= MAX_SERIES:
        raise InvalidInput.field("/seriesLimit", f"must be from 1 to {MAX_SERIES}", code="out_of_range")
    return Definition(
        function=Function(function),
        value=value,
        where=where,
        dimensions=_dimensions(dimensions),
        series_limit=limit,
        level=level,
    )


def _level(function: str, mode: str | None, per: str | None, carry: bool | None) -> Level | None:
    if function != Function.LEVEL:
        for name, given in (("mode", mode), ("per", per), ("carry", carry)):
            if given is not None:
                message = f"is of a level, and the aggregation is {function}"
                raise InvalidInput.field(f"/{name}", message, code="contradiction")
        return None
    for name, given, choices in (("mode", mode, Mode), ("per", per, Per)):
        if given is None:
            message = f"a level needs it: {', '.join(choices)}"
            raise InvalidInput.field(f"/{name}", message, code="required")
        if given not in set(choices):
            raise InvalidInput.field(f"/{name}", f"must be one of: {', '.join(choices)}", code="not_supported")
    return Level(Mode(str(mode)), Per(str(per)), bool(carry))


def stored_dimensions(stored: Sequence[Mapping[str, str]]) -> tuple[Dimension, ...]:
    """The dimensions that ``Dimension.fields`` wrote."""
    return tuple(Dimension(one["as"], one["value"]) for one in stored)


def _dimensions(given: Sequence[str | Mapping[str, Any]]) -> tuple[Dimension, ...]:
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
        read = _check(pointer, given, expression.anything)
        if read is None or not isinstance(read.node, Field):
            message = 'an expression needs a name: {"as": "name", "value": "expression"}'
            raise InvalidInput.field(pointer, message, code="required")
        return Dimension(_name(".".join(read.node.path), pointer), given)
    for unknown in sorted(given.keys() - {"as", "value"}):
        raise InvalidInput.field(f"{pointer}/{unknown}", "is not a field of a dimension", code="unknown")
    for name in ("as", "value"):
        if not isinstance(given.get(name), str):
            raise InvalidInput.field(f"{pointer}/{name}", "must be a text", code="not_a_text")
    _check(f"{pointer}/value", given["value"], expression.anything)
    return Dimension(_name(given["as"], f"{pointer}/as"), given["value"])


def _name(name: str, pointer: str) -> str:
    if not 1 <= len(name) <= MAX_DIMENSION or not name.isprintable():
        message = f"a dimension's name has 1 to {MAX_DIMENSION} printable characters"
        raise InvalidInput.field(pointer, message, code="bad_text")
    return name


def _check(pointer: str, text: str | None, read: Callable[[str], Expression]) -> Expression | None:
    if text is None:
        return None
    try:
        return read(text)
    except ExpressionError as error:
        raise InvalidInput.field(pointer, str(error), code="not_an_expression") from error
