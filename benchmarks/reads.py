"""Reading usage through the API, with little and with much in the books; and turning pages of records."""

import http.client
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks import events
from benchmarks.batches import record
from benchmarks.load import get, save
from benchmarks.machine import Machine, key, machine
from benchmarks.report import Figure
from benchmarks.seed import seed_usage

EACH = 2_000
PAGE = 50
TURNS = 20
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """p99 in milliseconds of a user's and of a subscription's usage; seconds of an early page and of a late one."""

    user: float
    subscription: float
    first: float
    late: float


def run(*, quick: bool) -> list[Figure]:
    """The same questions to a machine with ten thousand recordings and to one with ten million."""
    few, many, pages = (4_000, 40_000, 50) if quick else (10_000, 10_000_000, 1_000)
    little, much = _measure(few, pages), _measure(many, pages)
    found = [
        Figure(
            what=f"p99 of {what}, {many:,} recordings",
            measured=f"{there:.1f} ms",
            value=there,
            at_most=10,
        )
        for what, there in (("a user's usage", much.user), ("a subscription's usage", much.subscription))
    ]
    pairs = (("a user's", much.user, little.user), ("a subscription's", much.subscription, little.subscription))
    found += [
        Figure(
            what=f"the same of {what}, beside {few:,} recordings",
            measured=f"{there:.1f} ms",
            yardstick=f"{here:.1f} ms",
            value=there / here,
            at_most=1.2,
        )
        for what, there, here in pairs
    ]
    found.append(
        Figure(
            what=f"pages around the {pages:,}th of {PAGE} records",
            measured=f"{much.late * 1000:.1f} ms",
            yardstick=f"{much.first * 1000:.1f} ms for one of the first",
            value=much.late / much.first,
            at_most=1.2,
        )
    )
    return found


def _measure(recordings: int, pages: int) -> Measured:
    with machine() as made:
        subscriptions = max(recordings // EACH, 1)
        url = made.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        seed_usage(url, subscriptions=subscriptions, events=recordings, at=datetime.now(UTC))
        record(made, (pages + TURNS) * PAGE, batch=1000, subscriptions=1)
        made.vacuum()
        user = _p99(made, "/api/usage/user/user", subscriptions)
        subscription = _p99(made, "/api/usage/subscription/sub", subscriptions)
        first, late = _turn(made, pages)
    return Measured(user, subscription, first, late)


def _p99(made: Machine, path: str, subscriptions: int) -> float:
    """Over two connections, each asking without a pause; the middle of three rounds."""
    file = made.home / "requests"
    asked = [1 + number * 7919 % subscriptions for number in range(1000)]
    save(file, (get(f"{path}{number:07d}", key=key()) for number in asked))
    found: list[float] = []
    for _ in range(4):
        answers = made.client(file, connections=2)
        if set(answers.statuses) != {"200"}:
            raise RuntimeError(f"not all were answered: {answers.statuses}")
        found.append(answers.percentiles["99"])
    return events.rounds(found[1:])


def _turn(made: Machine, pages: int) -> tuple[float, float]:
    """Seconds of a page: the middle of TURNS from the second on, and of as many around the last, asked for in turns."""
    connection = http.client.HTTPConnection("127.0.0.1", made.port)

    def ask(cursor: str) -> tuple[float, str]:
        started = time.perf_counter()
        path = f"/api/usage/subscription/sub0/records?limit={PAGE}"
        connection.request("GET", f"{path}&cursor={cursor}" if cursor else path, headers={"x-api-key": key()})
        body = json.loads(connection.getresponse().read())
        return time.perf_counter() - started, body["nextCursor"]

    cursors = [""]
    for _ in range(pages + TURNS // 2 - 1):
        cursors.append(ask(cursors[-1])[1])
    early, late = cursors[1 : TURNS + 1], cursors[-TURNS:]
    rounds = [(ask(one)[0], ask(other)[0]) for _ in range(ROUNDS) for one, other in zip(early, late, strict=True)]
    connection.close()
    return events.rounds([one for one, _ in rounds]), events.rounds([other for _, other in rounds])
