"""How lines become requests: how many fit, how a request is halved, how a piece of a spill file is split. Pure.

A file may end in half a line, because its process died while writing, and a disk may hold rubbish. Both are set
aside, so that a bad line never holds up the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_OPENING, _CLOSING = b'{"events":[', b"]}"
_FRAME = len(_OPENING) + len(_CLOSING)


def fitting(lines: Iterable[bytes], *, max_events: int, max_bytes: int) -> int:
    """How many of the first ``lines`` go into one request of at most ``max_bytes``; one always does."""
    count, size = 0, _FRAME
    for line in lines:
        size += len(line) + 1
        if count and (count >= max_events or size > max_bytes):
            break
        count += 1
    return count


def request_body(lines: Sequence[bytes]) -> bytes:
    """The body of ``POST /api/usage/record/batch`` for ``lines``."""
    return _OPENING + b",".join(lines) + _CLOSING


def halves(lines: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The two halves of at least two lines, in order."""
    middle = (len(lines) + 1) // 2
    return lines[:middle], lines[middle:]


@dataclass(frozen=True)
class Chunk:
    """Recordings at the head of a file. ``length`` is how many bytes of it they and the broken lines take."""

    lines: tuple[bytes, ...]
    broken: tuple[bytes, ...]
    length: int


def split_chunk(data: bytes, *, max_events: int, max_bytes: int) -> Chunk:
    """The recordings that ``data`` begins with, as many as go into one request.

    ``data`` begins with a line. When it has no end of a line, all of it is one broken line.
    """
    end = data.rfind(b"\n")
    if end < 0:
        return Chunk((), (data,), len(data))
    lines = data[:end].split(b"\n")
    lines = lines[: fitting(lines, max_events=max_events, max_bytes=max_bytes)]
    good = tuple(line for line in lines if _is_object(line))
    broken = tuple(line for line in lines if line and not _is_object(line)) if len(good) < len(lines) else ()
    return Chunk(good, broken, sum(map(len, lines)) + len(lines))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
