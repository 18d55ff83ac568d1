"""Tables that fit a terminal: ids are shortened, prose is wrapped between words, numbers stay whole. Pure."""

import re
from collections.abc import Sequence
from itertools import zip_longest

from rich.cells import cell_len

Row = Sequence[str]

_GAP = "  "
_ELLIPSIS = "…"
_SHORT = 14
"""A single word of up to so many cells is shown whole, such as a state or a number of an invoice."""
_SHORTEST = 9
"""No id is made shorter than this."""
_WHOLE = re.compile(r"-?[\d.]+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|[a-z_]{1,24},?|[^=]+=.*")
"""What is never shortened: a number, an instant, a code such as ``unknown_subscription``, an amount with its name."""


def table_lines(headings: Row, rows: Sequence[Row], width: int | None) -> list[str]:
    """The lines of a table: one of headings, a rule, the rows. None is longer than ``width`` cells.

    What does not fit side by side, with every number and time whole, comes as a block of lines a row. Without ``width``
    each row is one line and nothing is shortened.
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    widths = [max(map(cell_len, (heading, *column))) for heading, column in zip(headings, columns, strict=True)]
    if width is not None and _together(widths) > width:
        fitted = _fit(headings, columns, width)
        if fitted is None:
            return _blocks(headings, rows, width)
        widths = fitted
    head = _side_by_side(headings, widths)
    rule = _GAP.join("─" * wide for wide in widths)
    return [*head, rule, *(line for row in rows for line in _side_by_side(row, widths))]


def field_lines(names: Row, values: Row, width: int | None) -> list[str]:
    """One thing, a field a line, prose wrapped to ``width`` cells; a word that is longer than that stays whole."""
    wide = max(map(cell_len, names), default=0)
    lines: list[str] = []
    for name, value in zip(names, values, strict=True):
        room = None if width is None else max(width - wide - len(_GAP), _SHORTEST)
        parts = wrap(value, room) or [""]
        lines += [f"{_pad(name if first else '', wide)}{_GAP}{part}".rstrip() for first, part in _marked(parts)]
    return lines


def wrap(text: str, width: int | None) -> list[str]:
    """``text`` broken between words into lines of at most ``width`` cells; a longer word has a line of its own."""
    if width is None or cell_len(text) <= width:
        return [text] if text else []
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and cell_len(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def shorten(word: str, width: int) -> str:
    """The beginning and the end of ``word``, in ``width`` cells: ids that begin alike mostly end otherwise."""
    if cell_len(word) <= width:
        return word
    head = (width - 1) // 2
    tail = width - 1 - head
    begin, end = word, word
    while cell_len(begin) > head:
        begin = begin[:-1]
    while cell_len(end) > tail:
        end = end[1:]
    return f"{begin}{_ELLIPSIS}{end}"


def _fit(headings: Row, columns: Sequence[Row], width: int) -> list[int] | None:
    """The width of each column, or None when the columns that must stay whole leave too little for the others."""
    longest = [max(map(cell_len, column)) for column in columns]
    words = [max(map(cell_len, heading.split(" "))) for heading in headings]
    wanted = list(map(max, longest, words))
    least = [max(word, _least(column)) for word, column in zip(words, columns, strict=True)]
    left = width - _together(least)
    if left < 0:
        return None
    while left:  # each in turn gets a cell more, as long as it wants one
        wanting = [place for place, full in enumerate(wanted) if least[place] < full]
        for place in wanting[:left]:
            least[place] += 1
        left -= min(left, len(wanting)) if wanting else left
    return least


def _least(column: Row) -> int:
    """How narrow a column may be: as its longest word that stays whole, or as an id that is shortened most."""
    words = [word for value in column for word in value.split(" ")]
    return max(cell_len(word) if _is_whole(word) else _SHORTEST for word in words)


def _is_whole(word: str) -> bool:
    return cell_len(word) <= _SHORT or _WHOLE.fullmatch(word) is not None


def _blocks(headings: Row, rows: Sequence[Row], width: int) -> list[str]:
    room = width - max(map(cell_len, headings)) - len(_GAP)
    lines: list[str] = []
    for row in rows:
        lines += ["", *field_lines(headings, [_shortened(value, room) for value in row], width)]
    return lines[1:]


def _side_by_side(row: Row, widths: Sequence[int]) -> list[str]:
    """The lines of one row: each of its cells is wrapped within its column."""
    cells = [wrap(_shortened(value, wide), wide) for value, wide in zip(row, widths, strict=True)]
    return [
        _GAP.join(map(_pad, parts, widths)).rstrip()
        for parts in zip_longest(*[cell or [""] for cell in cells], fillvalue="")
    ]


def _shortened(text: str, width: int) -> str:
    """``text`` with every id in it that does not fit a line shortened."""
    if cell_len(text) <= width:
        return text
    return " ".join(word if _is_whole(word) else shorten(word, width) for word in text.split(" "))


def _together(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _marked(parts: Sequence[str]) -> list[tuple[bool, str]]:
    return [(place == 0, part) for place, part in enumerate(parts)]
