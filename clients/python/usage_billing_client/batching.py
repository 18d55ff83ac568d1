"""Lines into requests: how many fit, what one looks like, and how to halve it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
