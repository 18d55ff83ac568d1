"""A file to import as bytes that can be read twice: from a path, from standard input, compressed or not."""

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from usage_billing.cli.importing.formats import STDIN
from usage_billing.core.errors import InvalidInput

_GZIP_BEGINS = b"\x1f\x8b"
_CHUNK = 1 << 20


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The content of ``path``, decompressed, from its start.

    What cannot be read twice, which is standard input, a pipe and a compressed file, is copied to a temporary file
    first. Raises InvalidInput when the compressed content is damaged.
    """
    if str(path) == STDIN:
        with _copied(sys.stdin.buffer) as file:
            yield file
        return
    with path.open("rb") as file:
        if not file.seekable() or _is_compressed(file):
            with _copied(file) as copy:
                yield copy
        else:
            yield file


def size_of(file: BinaryIO) -> int:
    """How many bytes the file has."""
    return os.fstat(file.fileno()).st_size


@contextmanager
def _copied(file: BinaryIO) -> Iterator[BinaryIO]:
    with TemporaryFile() as copy:
        copyfileobj(file, copy, _CHUNK)
        copy.seek(0)
        if not _is_compressed(cast("BinaryIO", copy)):
            yield cast("BinaryIO", copy)
            return
        with TemporaryFile() as plain:
            _decompress(cast("BinaryIO", copy), cast("BinaryIO", plain))
            yield cast("BinaryIO", plain)


def _is_compressed(file: BinaryIO) -> bool:
    begins = file.read(len(_GZIP_BEGINS))
    file.seek(0)
    return begins == _GZIP_BEGINS


def _decompress(file: BinaryIO, plain: BinaryIO) -> None:
    try:
        with gzip.open(file) as content:
            copyfileobj(content, plain, _CHUNK)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInput(f"the compressed file is damaged: {error}") from None
    plain.flush()
    plain.seek(0)
