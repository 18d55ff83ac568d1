"""Recording events as other programs send them, beside the same facts in our own format: from request to the books."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import batches, single
from benchmarks.batches import SUBSCRIPTIONS
from benchmarks.events import event
from benchmarks.load import request, save
from benchmarks.machine import Machine, Spent, key, machine
from benchmarks.report import Figure, rate
from benchmarks.turns import Turns, in_turns

OPENMETER, CLOUD_EVENTS = "/openmeter/api/v1/events", "/api/ingest/cloudevents"
_BATCH = 100


def run(*, quick: bool) -> list[Figure]:
    """Measure both ways in turns on one machine, in batches of 100 and one event a request."""
    number, alone, rounds = (5000, 1000, 1) if quick else (50_000, 10_000, 5)
    with machine() as made:
        made.subscribe(SUBSCRIPTIONS)
        batches.record(made, 2000, batch=_BATCH)
        _record(made, 2000, batch=_BATCH)
        found = in_turns(
            rounds,
            {
                "ours": lambda: batches.record(made, number, batch=_BATCH),
                "theirs": lambda: _record(made, number, batch=_BATCH),
                "our one": lambda: single.record_one_by_one(made, alone),
                "their one": lambda: _record(made, alone, batch=1),
            },
        )
    return [
        *_figures(found, "OpenMeter's batches of 100", "theirs", "ours", number=number, at_least=0.7),
        *_figures(found, "one CloudEvent a request", "their one", "our one", number=alone, at_least=0.9),
    ]


def _figures(
    found: Turns[Spent], what: str, theirs: str, ours: str, *, number: int, at_least: float
) -> Iterator[Figure]:
    """The rate by the clock and by the CPU of all parts, each beside that of our own format."""
    ways: dict[str, Callable[[Spent], float]] = {
        "end to end": lambda spent: number / spent.seconds,
        "a second of CPU": lambda spent: number / sum(spent.cpu.values()),
    }
    for way, part in ways.items():
        rates = found.of(part)
        yield Figure(
            what=f"{what}, {way}",
            measured=rate(rates.middle(theirs), 1),
            yardstick=f"{rate(rates.middle(ours), 1)} in our own format",
            value=rates.ratio(theirs, ours),
            at_least=at_least,
        )


def _record(made: Machine, number: int, *, batch: int) -> Spent:
    """Send ``number`` events, ``batch`` in a request, and wait until the books hold them."""
    sent = [_cloud_event(event(subscriptions=SUBSCRIPTIONS)) for _ in range(number)]
    file = made.home / "requests"
    if batch == 1:
        save(file, (request(CLOUD_EVENTS, json.dumps(one).encode(), key=key()) for one in sent))
        return made.record(file, number, connections=16)
    bodies = (json.dumps(sent[start : start + batch]).encode() for start in range(0, number, batch))
    save(file, (request(OPENMETER, body, key=key()) for body in bodies))
    return made.record(file, number, connections=8)


def _cloud_event(one: dict[str, Any]) -> dict[str, Any]:
    """The event of the same fact; it names the subscription alone."""
    return {
        "specversion": "1.0",
        "id": one["idempotencyKey"],
        "source": "benchmark",
        "type": one["usageType"],
        "subject": one["subscriptionId"],
        "data": one["metadata"],
    }
