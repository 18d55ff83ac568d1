"""Lines of CSV as RFC 4180 has them, in which no text is a formula. Pure."""

from collections.abc import Iterable

_QUOTED = frozenset('",\r\n')
_FORMULA = frozenset("=+-@\t\r")


def csv_line(cells: Iterable[str | int | None]) -> str:
    """One line, ended by CR LF; None is an empty cell."""
    return ",".join("" if cell is None else _quoted(str(cell)) for cell in cells) + "\r\n"


def text_cell(text: str | None) -> str | None:
    """A text as a cell: one that a spreadsheet would take for a formula gets a leading apostrophe.

    For names and other texts alone: a number such as ``-12.00`` is no formula, and stays as it is.
    """
    return f"'{text}" if text and text[0] in _FORMULA else text


def _quoted(cell: str) -> str:
    if _QUOTED.isdisjoint(cell):
        return cell
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'
