"""What a meter counts: function, value, condition, dimensions; read from what a caller gives. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from usage_billing.core.errors import InvalidInput
from usage_billing.expressions import expression
from usage_billing.expressions.expression import Expression
from usage_billing.meters.dimensions import Dimension, check_expression, read_dimensions
from usage_billing.meters.windowing import Across, Windowing, read_windowing

MAX_SERIES = 100_000
DEFAULT_SERIES = 1000


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
    """What a recording says of a level. ``SEEN``: a value, and the level is the number of distinct ones so far."""

    CHANGE = "change"
    SET = "set"
    SEEN = "seen"


class Per(StrEnum):
    """The time by which a level counts: a unit for so long, or the mean of a billing period; or where it ends."""

    SECOND = "second"
    HOUR = "hour"
    DAY = "day"
    PERIOD = "period"
    END = "end"


@dataclass(frozen=True, slots=True)
class Level:
    """How a level is made and counted. With ``carry`` a billing period begins at the level of the one before."""

    mode: Mode
    per: Per
    carry: bool = False

    @property
    def said_mode(self) -> Mode | None:
        """As a definition says it; None of distinct values that are carried, which need no mode."""
        return None if self.mode == Mode.SEEN else self.mode

    @property
    def said_per(self) -> Per | None:
        """As a definition says it; None of distinct values that are carried."""
        return None if self.per == Per.END else self.per


DISTINCT = Level(Mode.SEEN, Per.END, carry=True)
"""Distinct values that are carried: a billing period begins with those of the one before."""
MODES = (Mode.CHANGE, Mode.SET)
PERS = (Per.SECOND, Per.HOUR, Per.DAY, Per.PERIOD)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A checked definition. ``value`` None is the recording's quantity; ``where`` None counts all recordings.

    ``level`` is given for the function of that name, and is ``DISTINCT`` for distinct values that are carried. With
    ``windowing`` the function applies in each window, and their values become one. ``named`` are the values that cells
    of prices name, by dimension: series that meet them keep their own whatever ``series_limit`` says.
    """

    function: Function
    value: str | None = None
    where: str | None = None
    dimensions: tuple[Dimension, ...] = ()
    series_limit: int = DEFAULT_SERIES
    level: Level | None = None
    windowing: Windowing | None = None
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
    def adds_up(self) -> bool:
        """Whether the values of parts, added up, are the value of the whole."""
        return self.function.adds_up and self.windowing is None

    @property
    def adds_up_by_series(self) -> bool:
        """Whether the values of its series, added up, are its value."""
        return self.adds_up or self.function == Function.LEVEL

    @property
    def is_divided(self) -> bool:
        """Whether the segments of a billing period share its value, or that of a window, by their time."""
        across = None if self.windowing is None else self.windowing.across
        return across in {Across.AVERAGE, Across.PERCENTILE} or (across != Across.MAX and self.function.is_divided)

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

    @property
    def tells_by_window(self) -> bool:
        """Whether distinct values are kept of each window."""
        return self.is_of_any_kind and self.windowing is not None

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
    window: Mapping[str, Any] | None = None,
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
    if level is not None and window is not None:
        message = "what goes on from period to period has no windows"
        raise InvalidInput.field("/window", message, code="contradiction")
    if level is not None and level.mode == Mode.SET and series_limit is not None:
        message = "levels that are set keep all their series: leave it out"
        raise InvalidInput.field("/seriesLimit", message, code="contradiction")
    check_expression("/value", value, expression.scalar if function == Function.UNIQUE_COUNT else expression.number)
    check_expression("/where", where, expression.condition)
    limit = DEFAULT_SERIES if series_limit is None else series_limit
    if not 1 <= limit <= MAX_SERIES:
        raise InvalidInput.field("/seriesLimit", f"must be from 1 to {MAX_SERIES}", code="out_of_range")
    return Definition(
        function=Function(function),
        value=value,
        where=where,
        dimensions=read_dimensions(dimensions),
        series_limit=limit,
        level=level,
        windowing=None if window is None else read_windowing(window, adds_up=Function(function).adds_up),
    )


def _level(function: str, mode: str | None, per: str | None, carry: bool | None) -> Level | None:
    if function != Function.LEVEL:
        carried = None if function == Function.UNIQUE_COUNT else carry
        for name, given in (("mode", mode), ("per", per), ("carry", carried)):
            if given is not None:
                message = f"is of a level, and the aggregation is {function}"
                raise InvalidInput.field(f"/{name}", message, code="contradiction")
        return DISTINCT if carry else None
    for name, given, choices in (("mode", mode, MODES), ("per", per, PERS)):
        if given is None:
            message = f"a level needs it: {', '.join(choices)}"
            raise InvalidInput.field(f"/{name}", message, code="required")
        if given not in choices:
            raise InvalidInput.field(f"/{name}", f"must be one of: {', '.join(choices)}", code="not_supported")
    return Level(Mode(str(mode)), Per(str(per)), bool(carry))
