"""Pages of lists that fit into 1 MiB: a page ends before the thing that would not fit any more, and says so.

The things are written as JSON here, once; the answer takes the text as it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Raw

from api.json_provider import json_text
from usage_billing.core.giving_way import in_turns
from usage_billing.wire.noun import Noun, Written, show

MOST_BYTES = 1024 * 1024
"""Bytes of a page, unless its first thing alone has more."""

# What stands around the things: the cursor, sums by currency, the name of the customer.
_AROUND = 16 * 1024

Position = tuple[Any, ...]


def fitted(
    noun: Noun, things: Iterable[Any], *, positions: Sequence[Position], last: Position | None, currency: str = ""
) -> tuple[list[Written], Position | None]:
    """As many of ``things`` as fit, at least one, and the position of the last of them if more follow.

    ``positions`` are those of the things; ``last`` is what a page with all of them is followed by, None for nothing.
    """
    fitting: list[Written] = []
    left = MOST_BYTES - _AROUND
    for thing in in_turns(things):
        text = json_text(show(noun, thing, currency=currency))
        left -= len(text) + 1
        if fitting and left < 0:
            return fitting, positions[len(fitting) - 1]
        fitting.append(Written(Raw(text)))
    return fitting, last
