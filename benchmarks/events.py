"""Events as senders spell them: with a key, two entries of metadata and a subscription that is in the books."""

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from tests.faults.world import QUOTAS, SUBSCRIPTIONS

_TYPES = tuple(QUOTAS)
_numbers = count()


def event(*, subscriptions: int = SUBSCRIPTIONS, first: int = 0) -> dict[str, Any]:
    """An event with a fresh key. Successive events go to ``subscriptions`` subscriptions in turn, from ``first`` on."""
    number = next(_numbers)
    owner = first + number % subscriptions
    return {
        "userId": f"user{owner}",
        "subscriptionId": f"sub{owner}",
        "usageType": _TYPES[number % len(_TYPES)],
        "quantity": 1,
        "metadata": {"region": "eu-west-1", "reportId": number},
        "idempotencyKey": str(uuid4()),
    }


def bodies(events: int, *, batch: int, subscriptions: int = SUBSCRIPTIONS, first: int = 0) -> Iterator[bytes]:
    """Request bodies that hold ``events`` events, ``batch`` in each; with ``batch`` 1 each is a single recording."""
    made = [event(subscriptions=subscriptions, first=first) for _ in range(events)]
    if batch == 1:
        yield from (json.dumps(one).encode() for one in made)
        return
    for start in range(0, events, batch):
        yield json.dumps({"events": made[start : start + batch]}).encode()


def rounds(values: Sequence[float]) -> float:
    """The median of what the rounds came to."""
    return sorted(values)[len(values) // 2]


def percentile(values: Sequence[float], part: int) -> float:
    """The smallest value that ``part`` percent of ``values`` do not exceed."""
    return sorted(values)[min(len(values) * part // 100, len(values) - 1)]


def spread(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """``rows`` in pieces of ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
