"""Reading usage from CSV and JSON Lines, a line at a time, into the fields of the wire."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import TextIOWrapper
from typing import BinaryIO

import msgspec

from usage_billing.cli.importing.formats import CSV
from usage_billing.core.errors import InvalidInput
from usage_billing.metering.spelling import FIELDS, RawFields, read_object

MAX_LINE = 128 * 1024
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One recording's text: ``fields``, or why there are none. ``position`` is how many bytes were read."""

    number: int
    position: int
    fields: RawFields | None
    problem: str = ""


def digest_of(file: BinaryIO) -> bytes:
    """The SHA-256 of the whole file."""
    digest = sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.digest()


def read_lines(file: BinaryIO, kind: str) -> Iterator[Line]:
    """Every recording of the file from its start; blank lines are passed over.

    Raises InvalidInput when a CSV file has no header, or one with unknown columns.
    """
    file.seek(0)
    return _csv_lines(file) if kind == CSV else _json_lines(file)


def _json_lines(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while data := file.readline(MAX_LINE + 1):
        number += 1
        whole = data.endswith(b"\n") or len(data) <= MAX_LINE
        while not data.endswith(b"\n") and not whole:
            rest = file.readline(MAX_LINE)
            whole = not rest or rest.endswith(b"\n")
        if len(data) > MAX_LINE:
            yield Line(number, file.tell(), None, f"is longer than {MAX_LINE} bytes")
        elif data.strip():
            yield _json_line(number, file.tell(), data)


def _json_line(number: int, position: int, data: bytes) -> Line:
    try:
        return Line(number, position, read_object(data))
    except InvalidInput as error:
        return Line(number, position, None, error.message)


def _csv_lines(file: BinaryIO) -> Iterator[Line]:
    # A spreadsheet's mark at the start is no part of the first column's name. Bytes that are no UTF-8 become
    # surrogates, which no field accepts: the line is named instead of the whole file failing.
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        reader = csv.reader(text, strict=True)
        columns = _header(reader)
        while (row := _next_row(reader)) is not None:
            if row:
                yield _csv_line(reader.line_num, file.tell(), columns, row)
    finally:
        text.detach()


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        columns = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise InvalidInput(f"line 1 is no CSV header: {error}") from None
    unknown = [name for name in columns if name not in FIELDS]
    if unknown or not columns or len(set(columns)) != len(columns):
        raise InvalidInput(f"line 1 must name columns, each once, of: {', '.join(FIELDS)}")
    return columns


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        return [f"\0{error}"]


def _csv_line(number: int, position: int, columns: list[str], row: list[str]) -> Line:
    if row[0].startswith("\0"):
        return Line(number, position, None, f"is no CSV: {row[0][1:]}")
    if len(row) != len(columns):
        return Line(number, position, None, f"has {len(row)} cells under {len(columns)} columns")
    cells = {name: cell for name, cell in zip(columns, row, strict=True) if cell}
    try:
        return Line(number, position, {name: _raw(name, cell) for name, cell in cells.items()})
    except UnicodeEncodeError:
        return Line(number, position, None, "is not UTF-8")


def _raw(name: str, cell: str) -> msgspec.Raw:
    """A cell as JSON: metadata is JSON already, everything else is text."""
    return msgspec.Raw(cell.encode() if name == "metadata" else msgspec.json.encode(cell))
