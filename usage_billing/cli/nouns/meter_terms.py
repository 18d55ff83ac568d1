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


def window_options(function: Function) -> Function:
    """The options of windows, which no later definition changes; ``window_of`` takes them together."""
    for option in (
        click.option("--rate", help="What is in a window is divided: so much in a second, minute, hour or day of it."),
        click.option("--empty", help="A window without recordings is zero, unless given, or skip."),
        click.option("--percent", help="Of the percentile, such as 95."),
        click.option("--across", help="The windows become one quantity: max, sum, average or percentile."),
        click.option("--every", help="The function applies in windows of 5m, an hour or a day."),
    ):
        function = option(function)
    return function


def window_of(given: dict[str, Any]) -> dict[str, Any] | None:
    """Take the options of windows out of ``given``: the window as a request has it; None if there is none."""
    names = ("every", "across", "percent", "empty", "rate")
    found = {name: value for name in names if (value := given.pop(name)) is not None}
    return found or None


def level_options(function: Function) -> Function:
    """The options of what no later definition changes."""
    for option in (
        click.option(
            "--carry", is_flag=True, default=None, help="A level, or distinct values, go on into the next period."
        ),
        click.option("--per", help="A level counts a unit for a second, hour or day, or its mean in the period."),
        click.option("--mode", help="Recordings change a level, or set it."),
    ):
        function = option(function)
    return function
