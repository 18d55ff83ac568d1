"""Output: tables for people and JSON for programs on stdout; progress on stderr, so that it never mixes with them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.progress import Progress

Function = TypeVar("Function", bound=Callable[..., Any])

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
# Cells of a line where there is no terminal and no COLUMNS.
_USUAL_SIZE = (80, 24)
_WIDE = "usage_billing.wide"


def json_option(function: Function) -> Function:
    """``--json``: the command prints JSON on stdout, and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def print_json(value: object) -> None:
    """Print one JSON document, ended by a newline."""
    import msgspec

    # Metadata are text that was never read: their numbers go from the database to the output without a float.
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def wide_option(function: Function) -> Function:
    """``--wide``: tables with every column, nothing shortened, whatever the width of the terminal."""
    return click.option(
        "--wide", is_flag=True, expose_value=False, callback=_remember_wide, help="Whole ids and every column."
    )(function)


def print_rows(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str, wide_only: Collection[str] = ()
) -> None:
    """Print a list of things of one kind. With no rows, people see the text ``empty``.

    The columns ``wide_only`` are shown with ``--wide`` alone.
    """
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        click.echo(empty)
        return
    from usage_billing.cli.frame.table import table_lines

    wide = _is_wide()
    names = [name for name in rows[0] if wide or name not in wide_only]
    cells = [[_to_the_second(shown(row[name])) for name in names] for row in rows]
    _print_lines(table_lines([_heading(name) for name in names], cells, None if wide else _width()))


def print_thing(thing: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a field a line."""
    if as_json:
        print_json(thing)
        return
    from usage_billing.cli.frame.table import field_lines

    _print_lines(field_lines([_heading(name) for name in thing], [shown(value) for value in thing.values()], _width()))


def print_parts(thing: Mapping[str, Any], lists: Mapping[str, str], *, as_json: bool) -> None:
    """One thing, a field a line, then each of its ``lists`` as a table under its name, or what is said when empty."""
    if as_json:
        print_json(thing)
        return
    print_thing({name: value for name, value in thing.items() if name not in lists}, as_json=False)
    for name, empty in lists.items():
        click.echo(f"\n{_heading(name).capitalize()}")
        print_rows(thing[name], as_json=False, empty=empty)


def progress() -> Progress:
    """A progress bar on stderr over counted steps; it shows nothing when stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def byte_progress() -> Progress:
    """A progress bar on stderr over the bytes of a file; it shows nothing when stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def tell(message: str) -> None:
    """Print a line about what is being done, on stderr."""
    click.echo(message, err=True)


def pick(shape: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The fields ``names`` of a shape: those that a table has room for."""
    return {name: shape[name] for name in names}


def shown(value: object) -> str:
    """The text of a value in a table. Control characters, which a terminal would obey, are spelled out."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}={shown(item)}" for key, item in value.items()) or "-"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def _to_the_second(text: str) -> str:
    """A time without the fraction of its second, which a column has no room for; other text as it is."""
    return f"{text[:19]}Z" if _INSTANT.fullmatch(text) else text


def _heading(name: str) -> str:
    """``periodStart`` as a person reads it: ``period start``."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)


def _remember_wide(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    ctx.meta[_WIDE] = given


def _is_wide() -> bool:
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_WIDE))


def _width() -> int:
    """The cells of a line: the terminal's, or COLUMNS, or 80 in a pipe."""
    return shutil.get_terminal_size(_USUAL_SIZE).columns


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)
