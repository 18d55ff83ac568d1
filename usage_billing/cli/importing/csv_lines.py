"""CSV with a header. A quotation mark that is never closed costs its own line, not those after it.

Records of one line, as most are, are read one after the other. One that is not is read by itself.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import BinaryIO

import msgspec

from usage_billing.cli.importing.formats import Layout
from usage_billing.cli.importing.json_lines import refuse_repeats
from usage_billing.cli.importing.lines import MAX_LINE, SHOWN, Line, refuse_absent, renamed
from usage_billing.cli.importing.quick import QuickReader, picker
from usage_billing.core.errors import InvalidInput
from usage_billing.metering.spelling import FIELDS, read_object

UNCLOSED = "has a quotation mark that is not closed"
METADATA = "metadata"


@dataclass(slots=True)
class _Text:
    """The lines of a file; lines that were read ahead in vain can be put back. ``number`` is that of the last one."""

    file: TextIOWrapper
    number: int = 0
    ahead: deque[str] = field(default_factory=deque)

    def read(self) -> str:
        """The next line with its end, "" after the last. Of one that is too long only the beginning."""
        line = self.ahead.popleft() if self.ahead else self._read()
        self.number += bool(line)
        return line

    def put_back(self, lines: Sequence[str]) -> None:
        """Let ``lines``, the last ones that were read, be read again."""
        self.ahead.extendleft(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> str:
        line = rest = self.file.readline(MAX_LINE + 1)
        while len(rest) > MAX_LINE and not rest.endswith(("\n", "\r")):
            rest = self.file.readline(MAX_LINE + 1)
        return line


def csv_lines(file: BinaryIO, layout: Layout, quick: QuickReader) -> Iterator[Line]:
    """The records of ``file`` below its header; raises InvalidInput when the header is missing or has other columns."""
    # ``utf-8-sig`` drops the byte order mark that spreadsheets write before the first column's name. Bytes that are not
    # UTF-8 become surrogates, which no field accepts: that line is refused, and not the whole file.
    wrapper = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    text = _Text(wrapper)
    try:
        columns = _header(text, layout)
        while True:
            yield from _usual(text, columns, layout.delimiter, quick)
            found = _next(text, columns, layout.delimiter)
            if found is None:
                return
            row, problem, number = found
            if row is None:
                yield Line(number, problem=problem)
            elif row:
                yield _line(number, columns, row)
    finally:
        wrapper.detach()


def _header(text: _Text, layout: Layout) -> list[str]:
    """The field of each column; "" for a column that is passed over."""
    try:
        cells = next(csv.reader(_pulled(text, []), strict=True, delimiter=layout.delimiter), [])
    except csv.Error as error:
        raise InvalidInput(f"line 1 is no CSV header: {error}") from None
    called = [cell.strip() for cell in cells]
    refuse_absent(layout.names.keys() - called, "line 1 names no column")
    columns = [renamed(name, layout.names) for name in called]
    wrong = _wrong_column(columns)
    if wrong:
        raise InvalidInput(
            f"line 1 {wrong}: it must name columns, each once, of: {', '.join(FIELDS)}; --map gives others a name"
        )
    return columns


def _wrong_column(columns: Sequence[str]) -> str:
    """What is wrong with the header, "" where nothing is."""
    named = [name for name in columns if name]
    if not named:
        return "names no column"
    for place, name in enumerate(named):
        if name not in FIELDS:
            return f"names the column {name[:SHOWN]!r}, which is no field"
        if name in named[:place]:
            return f"names the column {name!r} twice"
    return ""


def _usual(text: _Text, columns: Sequence[str], delimiter: str, quick: QuickReader) -> Iterator[Line]:
    """The records up to the first that is no record of one line; what was read of that one is put back."""
    pulled, pick = list[str](), picker(columns)
    rows = csv.reader(_pulled(text, pulled), strict=True, delimiter=delimiter)
    with suppress(csv.Error):
        for cells in rows:
            if len(pulled) > 1 or len(pulled[0]) > MAX_LINE:
                break
            pulled.clear()
            if len(cells) == len(columns):
                recording = quick.of_cells(text.number, pick([*cells, ""]))
                fitting = Line(text.number, recording=recording)
                yield fitting if recording is not None else _line(text.number, columns, cells)
            elif cells:
                yield _line(text.number, columns, cells)
    text.put_back(pulled)


def _next(text: _Text, columns: Sequence[str], delimiter: str) -> tuple[list[str] | None, str, int] | None:
    """The next record, or None and what is wrong, and the number of its line; None at the end.

    A record over several lines is one only if its metadata has the line breaks. Otherwise its first line has a
    quotation mark too many, and the lines after it are read for themselves.
    """
    pulled: list[str] = []
    problem = ""
    try:
        row = next(csv.reader(_pulled(text, pulled), strict=True, delimiter=delimiter), None)
    except csv.Error as error:
        row, problem = None, f"is no CSV: {error}"
    if not pulled:
        return None
    if len(pulled[0]) > MAX_LINE:
        row, problem = None, f"is longer than {MAX_LINE} characters"
    if "unexpected end of data" in problem or (len(pulled) > 1 and not (row and _spans_lines(columns, row))):
        row, problem = None, UNCLOSED
        text.put_back(pulled[1:])
    return row, problem, text.number


def _pulled(text: _Text, pulled: list[str]) -> Iterator[str]:
    """Read lines for a record and note them in ``pulled``; ends when what is noted is too much for a record."""
    size = 0
    while size <= MAX_LINE and (line := text.read()):
        size = size + len(line) if pulled else len(line)
        pulled.append(line)
        yield line


def _spans_lines(columns: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a record that goes over several lines is meant to: only in a JSON object may lines break."""
    if len(row) != len(columns):
        return False
    for name, cell in zip(columns, row, strict=True):
        if "\n" not in cell and "\r" not in cell:
            continue
        try:
            read_object(cell.encode())
        except (InvalidInput, UnicodeEncodeError):
            return False
        if name != METADATA:
            return False
    return True


def _line(number: int, columns: Sequence[str], row: Sequence[str]) -> Line:
    if len(row) != len(columns):
        return Line(number, problem=f"has {len(row)} cells under {len(columns)} columns")
    cells = {name: cell for name, cell in zip(columns, row, strict=True) if name and cell}
    try:
        fields = {name: _raw(name, cell) for name, cell in cells.items()}
        if METADATA in fields:
            _check_metadata(bytes(fields[METADATA]))
        return Line(number, fields)
    except UnicodeEncodeError:
        return Line(number, problem="is not UTF-8")
    except InvalidInput as error:
        return Line(number, problem=f"metadata {error.message}")


def _check_metadata(cell: bytes) -> None:
    if cell.lstrip().startswith(b"{"):  # the reader of recordings refuses what is no object
        read_object(cell)
        refuse_repeats(cell)


def _raw(name: str, cell: str) -> msgspec.Raw:
    """A cell as JSON: metadata is JSON already, a quantity is a number, everything else is text."""
    return msgspec.Raw(cell.encode() if name in {METADATA, "quantity"} else msgspec.json.encode(cell))
