"""The lines of a file of usage: each either the fields of one recording, or why it is none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from usage_billing.cli.importing.formats import CSV, Layout
from usage_billing.core.errors import InvalidInput
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import RawFields

if TYPE_CHECKING:
    from usage_billing.cli.importing.quick import QuickReader

MAX_LINE = 128 * 1024
"""The longest line, in bytes or characters."""

SHOWN = 64
"""At most so many characters of a column's name are shown."""

_CHUNK = 1 << 20


class Line(msgspec.Struct, frozen=True, gc=False):
    """One recording: read already, as most are, or its ``fields``, or the ``problem``.

    ``number`` counts lines from 1; a CSV record over several lines has the number of its last.
    """

    number: int
    fields: RawFields | None = None
    problem: str = ""
    recording: Recording | None = None


def digest_of(file: BinaryIO) -> bytes:
    """The SHA-256 of the whole file."""
    digest = sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.digest()


def read_lines(file: BinaryIO, layout: Layout, quick: QuickReader) -> Iterator[Line]:
    """Every recording of the file from its start; blank lines are passed over. Most are read by ``quick``.

    Raises InvalidInput when a CSV file has no header, or one with unknown columns.
    """
    from usage_billing.cli.importing.csv_lines import csv_lines
    from usage_billing.cli.importing.json_lines import json_lines

    file.seek(0)
    return csv_lines(file, layout, quick) if layout.kind == CSV else json_lines(file, layout.names, quick)


def refuse_absent(names: Collection[str], said: str) -> None:
    """Raises InvalidInput for ``names`` that --map has and the file has not."""
    if names:
        raise InvalidInput(f"{said} {min(names)[:SHOWN]!r}, which --map names")


def renamed(name: str, names: Mapping[str, str]) -> str:
    """The field that the file calls ``name``; "" for one that is passed over."""
    return names.get(name, name)
