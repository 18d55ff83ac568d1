"""Writes exports as CSV (RFC 4180), piece by piece: memory does not grow with the number of lines.

In one read-only session all of it is of one moment of the books, whether one export is written or all of them.
"""

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Result
from sqlalchemy.orm import Session

from usage_billing.core.csv_text import csv_line
from usage_billing.core.spans import Span
from usage_billing.exports.columns import COLUMNS, Columns, Export, cell_of
from usage_billing.exports.statements import STATEMENTS
from usage_billing.metering.models import first_place

_AT_A_TIME = 500
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
# A zip file's times begin there; equal exports are equal bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def csv_of(session: Session, export: Export, span: Span) -> Iterator[bytes]:
    """The lines of an export, some at a time; the first is that of the names of its columns."""
    columns = COLUMNS[export]
    found = _found(session, export, span)  # the session's moment is that of its first statement
    yield csv_line(columns).encode()
    for rows in found.partitions(_AT_A_TIME):
        yield "".join(csv_line(_cells(row, columns)) for row in rows).encode()


def zip_of(session: Session, span: Span) -> Iterator[bytes]:
    """All exports of one moment: a zip file with a CSV file for each, some bytes at a time."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for export in Export:
            entry = zipfile.ZipInfo(f"{export}.csv", _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                for piece in csv_of(session, export, span):
                    file.write(piece)
                    yield sink.take()
    yield sink.take()


class _Sink:
    """What a zip file is written to; it is not kept, but taken piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _found(session: Session, export: Export, span: Span) -> Result[Any]:
    """The rows of an export, of a cursor on the server."""
    asked: dict[str, Any] = {"start": span.start, "end": span.end}
    if export == Export.USAGE:
        asked = {"first": first_place(span.start or _EARLIEST), "last": first_place(span.end or _LATEST)}
    return session.execute(STATEMENTS[export], asked, execution_options={"yield_per": _AT_A_TIME})


def _cells(row: Any, columns: Columns) -> list[str | int | None]:
    currency = _currency_of(row, columns)
    return [cell_of(value, kind, currency) for value, kind in zip(row, columns.values(), strict=True)]


def _currency_of(row: Any, columns: Columns) -> str:
    """The currency of a line; recordings have no money."""
    names = list(columns)
    return str(row[names.index("currency")]) if "currency" in columns else ""
