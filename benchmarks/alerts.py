"""What alerts cost: batches into 100 subscriptions with three alerts on each, beside batches into 100 with none."""

import json
from contextlib import closing
from http.client import HTTPConnection

from benchmarks.batches import record
from benchmarks.machine import Machine, machine
from benchmarks.report import Figure, rate
from benchmarks.turns import in_turns
from tests.faults.system import ADMIN_KEY
from tests.faults.world import QUOTAS

SUBSCRIPTIONS = 100
PLAIN, WATCHED = 0, SUBSCRIPTIONS
_FAR = str(10**12)
_USAGE_TYPE = min(QUOTAS)


def run(*, quick: bool) -> list[Figure]:
    """Record into both on one machine in turns. Each alert has a line that is told at once, and one far away."""
    number, rounds = (10_000, 3) if quick else (100_000, 7)
    with machine() as made:
        made.subscribe(2 * SUBSCRIPTIONS)
        _watch(made)
        for first in (PLAIN, WATCHED):
            record(made, 5000, batch=1000, first=first)
        rates = in_turns(
            rounds,
            {
                name: lambda first=first: number / record(made, number, batch=1000, first=first).seconds
                for name, first in (("plain", PLAIN), ("watched", WATCHED))
            },
        )
    return [
        Figure(
            what="batches of 1,000 into 100 subscriptions with three alerts on usage on each",
            measured=rate(rates.middle("watched"), 1),
            yardstick=f"{rate(rates.middle('plain'), 1)} into 100 without",
            value=rates.ratio("watched", "plain"),
            at_least=0.95,
        )
    ]


def _watch(made: Machine) -> None:
    """Three alerts on each of the watched subscriptions: percent, units, and an amount of one usage type."""
    kinds = (
        {"on": "percent", "thresholds": ["0.000000000001", _FAR]},
        {"on": "units", "thresholds": ["1", _FAR]},
        {"on": "amount", "usageType": _USAGE_TYPE, "thresholds": ["0.01", _FAR]},
    )
    headers = {"x-api-key": ADMIN_KEY, "Content-Type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", made.port)) as connection:
        for number in range(WATCHED, WATCHED + SUBSCRIPTIONS):
            for kind in kinds:
                body = json.dumps({"scope": {"subscriptionId": f"sub{number}"}, **kind})
                connection.request("POST", "/api/alerts", body=body, headers=headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 201:
                    raise RuntimeError(text.decode())
