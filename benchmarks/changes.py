"""What changes of terms cost: late usage into a period that was cut, and taking back one recording of many."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from statistics import median
from typing import Any

from benchmarks import events
from benchmarks.batches import PATH
from benchmarks.load import request, save
from benchmarks.machine import Machine, key, machine
from benchmarks.report import Figure, rate
from benchmarks.turns import in_turns
from tests.faults.system import ADMIN_KEY
from tests.faults.world import QUOTAS, STARTED
from usage_billing.core.clock import as_text
from usage_billing.core.identifiers import new_id
from usage_billing.core.periods import period_at

SUBSCRIPTIONS = 100
# The first subscription of each kind; those of the world come before.
PLAIN, CUT, BEYOND, FEW, MANY = 100, 200, 300, 400, 401
# The allowances of a plan for each usage type: one that the usage here stays within, and one that it exceeds.
PLANS = {"roomy": "1000000", "tight": "500"}
_VOIDS = 30


def run(*, quick: bool) -> list[Figure]:
    """Measure both on one machine, each beside its yardstick in turns."""
    number, rounds, many = (3_000, 1, 20_000) if quick else (30_000, 5, 1_000_000)
    with machine() as made:
        before = as_text(_agree(made))
        for first in (PLAIN, CUT, BEYOND):
            _record(made, 60_000, first=first, quantity=3)
        seconds = in_turns(
            rounds,
            {
                name: lambda first=first: _record(made, number, first=first, timestamp=before)
                for name, first in (("plain", PLAIN), ("cut", CUT), ("beyond", BEYOND))
            },
        )
        voids = _take_back(made, many, rounds=_VOIDS)
    return [
        Figure(
            what="late usage into a period that was cut, batches of 1,000",
            measured=rate(number, seconds.middle("cut")),
            yardstick=f"{rate(number, seconds.middle('plain'))} into one that was not",
            value=seconds.ratio("plain", "cut"),
            at_least=0.8,
        ),
        Figure(
            what="the same while what came later is beyond the limit, each moving a mark",
            measured=rate(number, seconds.middle("beyond")),
            yardstick=f"{rate(number, seconds.middle('plain'))} into one that was not",
            value=seconds.ratio("plain", "beyond"),
        ),
        Figure(
            what=f"taking back one of {many:,} recordings",
            measured=f"{voids['many'] * 1000:.1f} ms",
            yardstick=f"{voids['few'] * 1000:.1f} ms, one of 1,000",
            value=voids["many"] / voids["few"],
            at_most=4,
        ),
    ]


def _agree(made: Machine) -> datetime:
    """Subscriptions of all kinds; those that are cut change their plan in this month. Returns an instant before."""
    now = datetime.now(UTC)
    begun = period_at(now, zone="UTC").start
    changed = begun + (now - begun) / 2
    with closing(HTTPConnection("127.0.0.1", made.port)) as connection:

        def post(path: str, **body: Any) -> None:
            _post(connection, path, body, key=ADMIN_KEY)

        for plan in (f"{name}{number}" for name in PLANS for number in (1, 2)):
            post("/api/plans", id=plan, name=plan, currency="USD", interval="month")
            for usage_type in QUOTAS:
                limit = PLANS[plan[:-1]]
                post("/api/quotas", planId=plan, usageType=usage_type, monthlyLimit=limit, unitPrice="0.25")
        for number in range(PLAIN, MANY + 1):
            user, name, plan = f"user{number}", f"sub{number}", "roomy1" if number < BEYOND else "tight1"
            post("/api/customers", id=user, name=user)
            post("/api/subscriptions", id=name, userId=user, planId=plan, startedAt=as_text(STARTED))
        for number in range(CUT, FEW):
            plan = "roomy2" if number < BEYOND else "tight2"
            post(f"/api/subscriptions/sub{number}/change-plan", planId=plan, at=as_text(changed))
    return begun + (changed - begun) / 2


def _record(
    made: Machine, number: int, *, first: int, subscriptions: int = SUBSCRIPTIONS, **more: str | float
) -> float:
    """Record so many in batches of 1,000, each with ``more`` in it; returns the seconds until the books hold them."""
    file = made.home / "requests"
    sent = [events.event(subscriptions=subscriptions, first=first) | more for _ in range(number)]
    bodies = (json.dumps({"events": sent[start : start + 1000]}).encode() for start in range(0, number, 1000))
    save(file, (request(PATH, body, key=key()) for body in bodies))
    return made.record(file, number, connections=8).seconds


def _take_back(made: Machine, many: int, *, rounds: int) -> Mapping[str, float]:
    """Median seconds to take back one of 1,000 recordings of a summary, and one of ``many``; the first move a boundary.

    Each is asked for in turn with the other. What is taken back first lies within the limit, so marks move.
    """
    taken: dict[str, list[str]] = {}
    for name, owner, number in (("few", FEW, 1000), ("many", MANY, many)):
        begun = new_id()
        for start in range(0, number, 100_000):
            _record(made, min(100_000, number - start), first=owner, subscriptions=1, usageType="report")
        found = made.sql("SELECT id::text FROM usage WHERE id > %s ORDER BY ordinal LIMIT %s", begun, rounds)
        taken[name] = [id for (id,) in found]
    seconds: dict[str, list[float]] = {name: [] for name in taken}
    with closing(HTTPConnection("127.0.0.1", made.port)) as connection:
        for turn in range(rounds):
            for name, ids in taken.items():
                started = time.perf_counter()
                _post(connection, f"/api/usage/records/{ids[turn]}/void", {"reason": "measured"}, key=ADMIN_KEY)
                seconds[name].append(time.perf_counter() - started)
    return {name: median(times) for name, times in seconds.items()}


def _post(connection: HTTPConnection, path: str, body: Mapping[str, Any], *, key: str) -> None:
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    connection.request("POST", path, body=json.dumps(body), headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in {200, 201}:
        raise RuntimeError(f"{path}: {answer.status} {text!r}")
