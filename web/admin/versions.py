"""Versions of one thing side by side: what each changed, and what it was before. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def side_by_side(versions: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> list[dict[str, Any]]:
    """``versions``, the oldest first, as rows with the newest first; ``was`` has the fields that differ from before."""
    rows: list[dict[str, Any]] = []
    before: Mapping[str, Any] | None = None
    for one in versions:
        was = {} if before is None else {name: before[name] for name in fields if before[name] != one[name]}
        rows.append(dict(one) | {"was": was})
        before = one
    return rows[::-1]
