"""Names in JSON: each stands in its object once. Pure.

Python's own reader keeps the last of two equal names. Which of them a sender meant is unclear, so both are refused.
"""

import json
from typing import Any

_SHOWN = 64


class RepeatedName(ValueError):
    """An object has a name twice. The message says which, without a subject."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members, for ``json``'s ``object_pairs_hook``. Raises RepeatedName."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise RepeatedName(f"has the name {twice[:_SHOWN]!r} twice")
    return found


def check_names(data: bytes) -> None:
    """Raises RepeatedName if an object in ``data`` has a name twice; ValueError, RecursionError for what is no JSON."""
    _decoder.decode(data.decode("utf-8", "surrogateescape"))


_decoder = json.JSONDecoder(object_pairs_hook=once, parse_float=str, parse_int=str)
