"""Output: tables for people and JSON for programs on stdout; progress on stderr, so that it never mixes with them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

Function = TypeVar("Function", bound=Callable[..., Any])

# Columns of a table in a pipe, which has no width of its own: enough that no identifier is broken in two.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
_WIDTH_OF_A_PIPE = 240


def json_option(function: Function) -> Function:
    """``--json``: the command prints JSON on stdout, and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def print_json(value: object) -> None:
    """Print one JSON document, ended by a newline."""
    import msgspec

    # Metadata are text that was never read: their numbers go from the database to the output without a float.
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print a list of things of one kind. With no rows, people see the text ``empty``."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        click.echo(empty)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(_heading(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_to_the_second(shown(value))) for value in row.values()))
    print_table(table)


def print_thing(thing: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a field a line."""
    if as_json:
        print_json(thing)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in thing.items():
        table.add_row(Text(_heading(name)), Text(shown(value)))
    print_table(table)


def print_parts(thing: Mapping[str, Any], lists: Mapping[str, str], *, as_json: bool) -> None:
    """One thing, a field a line, then each of its ``lists`` as a table under its name, or what is said when empty."""
    if as_json:
        print_json(thing)
        return
    print_thing({name: value for name, value in thing.items() if name not in lists}, as_json=False)
    for name, empty in lists.items():
        click.echo(f"\n{_heading(name).capitalize()}")
        print_rows(thing[name], as_json=False, empty=empty)


def print_table(table: Table) -> None:
    """Print ``table`` on stdout, as wide as the terminal."""
    from rich.console import Console

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)
    # A pipe gets no trailing blanks.
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        if line.strip():
            click.echo(line.rstrip())


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
