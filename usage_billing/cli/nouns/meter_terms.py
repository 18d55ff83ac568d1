"""The options that say what a meter counts."""

from collections.abc import Callable
from typing import Any

import click

Function = Callable[..., Any]


class _DimensionType(click.ParamType[Any]):
    """``model``, or ``name=expression``."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """As a request has it."""
        name, equals, expression = str(value).partition("=")
        return {"as": name, "value": expression} if equals else value


def definition_options(function: Function) -> Function:
    """The options of what a meter counts."""
    for option in (
        click.option("--series-limit", type=click.INT, help="Series beyond this number are counted as one."),
        click.option(
            "--dimension", "dimensions", type=_DimensionType(), multiple=True, help="FIELD or NAME=EXPRESSION."
        ),
        click.option("--where", help="The condition of the recordings that count."),
        click.option("--value", help="The expression of a recording's value; else its quantity."),
    ):
        function = option(function)
    return function


def level_options(function: Function) -> Function:
    """The options of what no later definition changes."""
    for option in (
        click.option("--carry", is_flag=True, default=None, help="A level goes on into the next billing period."),
        click.option("--per", help="A level counts a unit for a second, hour or day, or its mean in the period."),
        click.option("--mode", help="Recordings change a level, or set it."),
    ):
        function = option(function)
    return function
