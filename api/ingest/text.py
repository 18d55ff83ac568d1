"""Text that PostgreSQL cannot keep: NUL, and halves of surrogate pairs. Valid JSON can spell both."""

import re
from collections.abc import Iterator
from typing import Any

from usage_billing.core.errors import FieldError, InvalidInput

# JSON can spell either by an escape only, so a text without these is clean and need not be walked.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_MAX_DEPTH = 200


def is_clean(data: bytes) -> bool:
    """Whether the JSON text ``data`` cannot spell what is forbidden."""
    return _SUSPECT.search(data) is None


def check_text(value: Any, data: bytes) -> None:
    """Raises InvalidInput with a pointer to each name or text of ``value``, read from ``data``, that is forbidden."""
    if is_clean(data):
        return
    errors = tuple(_walk(value))
    if errors:
        raise InvalidInput("some texts cannot be kept; nothing was changed", fields=errors)


def _walk(root: Any) -> Iterator[FieldError]:
    """Walk every name and text, without recursion: the caller chose the depth."""
    waiting: list[tuple[str, int, Any]] = [("", 0, root)]
    while waiting:
        pointer, depth, value = waiting.pop()
        if isinstance(value, str):
            if _FORBIDDEN.search(value):
                yield FieldError(pointer, "must not contain NUL or lone surrogates", "bad_text")
        elif isinstance(value, dict | list) and depth < _MAX_DEPTH:
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for name, inner in pairs:
                below = f"{pointer}/{str(name)[:64].replace('~', '~0').replace('/', '~1')}"
                if isinstance(name, str) and _FORBIDDEN.search(name):
                    yield FieldError(pointer, "must not have a name with NUL or lone surrogates", "bad_text")
                waiting.append((below, depth + 1, inner))
