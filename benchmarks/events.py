"""Events as senders spell them: a key, two names of metadata, a subscription of those in the books."""

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from tests.faults.world import QUOTAS, SUBSCRIPTIONS

_TYPES = tuple(QUOTAS)
_numbers = count()


def event(*, subscriptions: int = SUBSCRIPTIONS, first: int = 0) -> dict[str, Any]:
    """One event that was never sent before, for the next of ``subscriptions`` in turn, from the ``first`` on."""
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
    """Bodies of batches that hold ``events`` together; of single recordings when ``batch`` is 1."""
    made = [event(subscriptions=subscriptions, first=first) for _ in range(events)]
    if batch == 1:
        yield from (json.dumps(one).encode() for one in made)
        return
    for start in range(0, events, batch):
        yield json.dumps({"events": made[start : start + batch]}).encode()


def rounds(values: Sequence[float]) -> float:
    """The median: what a round in the middle came to."""
    return sorted(values)[len(values) // 2]


def percentile(values: Sequence[float], part: int) -> float:
    """What ``part`` of a hundred are not above."""
    return sorted(values)[min(len(values) * part // 100, len(values) - 1)]


def spread(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """``rows`` in pieces of ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
