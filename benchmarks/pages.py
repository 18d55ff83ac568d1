"""Pages of the portal: the part that is asked for every three seconds, 200 of them beside recordings, and memory."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import cycle, islice
from uuid import uuid4

from benchmarks import events
from benchmarks.batches import PATH as BATCH
from benchmarks.load import get, look, request, save
from benchmarks.machine import Machine, key, machine, served
from benchmarks.report import Figure
from benchmarks.seed import seed_usage
from benchmarks.single import PATH
from tests.faults.system import ADMIN_KEY

MIB = 2**20
PORTALS = 200
EVERY = 3
RATE = 40
_PART = "/portal/overview/live"
_EACH = 2_000


@dataclass(slots=True)
class Portal:
    """A browser on a customer's overview: its cookie, and the tag of what it has."""

    cookie: str
    tag: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What it sends."""
        return {"Cookie": self.cookie, **({"If-None-Match": self.tag} if self.tag else {})}


def run(*, quick: bool) -> list[Figure]:
    """Ask beside many recordings; record alone and beside open portals in turns; then look at memory."""
    recordings, turns, number = (40_000, 3, 200) if quick else (10_000_000, 20, 500)
    with machine() as made:
        subscriptions = recordings // _EACH
        url = made.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        seed_usage(url, subscriptions=subscriptions, events=recordings, at=datetime.now(UTC))
        made.subscribe(PORTALS)
        made.vacuum()
        asked = _ask(made, [1 + at % subscriptions for at in range(PORTALS)], turns=turns, number=number)
        beside = _beside(made, turns=turns, number=number)
        memory = made.memory()["api"] / MIB
    with machine(serves="api:create_app()") as bare:
        bare.subscribe(10)
        _record(bare, number, subscriptions=10)
        alone = bare.memory()["api"] / MIB
    return [
        *asked,
        beside,
        Figure(
            what="the largest process of the API, with pages", measured=f"{memory:.0f} MiB", value=memory, at_most=150
        ),
        Figure(what="the same without pages", measured=f"{alone:.0f} MiB", value=alone, at_most=120),
    ]


def _ask(made: Machine, customers: Sequence[int], *, turns: int, number: int) -> list[Figure]:
    """The part of the overview that moves, in turns with a no-op GET of the same server.

    It is asked for with the tag of before a recording of each customer, then without a tag, and with that of now.
    """
    portals = [_open(made, f"user{customer:07d}") for customer in customers]
    times: dict[str, list[float]] = {"no-op": [], "moved": [], "whole": [], "same": []}
    with served("benchmarks.baselines.noop:app", made) as port:
        for turn in range(turns + 1):
            noop = _send(made, [get("/", key=key())] * number, {"200"}, port=port)
            _use(made, sorted(set(customers)))
            moved = _send(made, [look(_PART, one.headers) for one in portals], {"200"})
            whole = [look(_PART, {"Cookie": one.cookie}) for one in islice(cycle(portals), number)]
            again = _send(made, whole, {"200"})
            with closing(HTTPConnection("127.0.0.1", made.port)) as connection:
                for one in portals:
                    _look(connection, one)
            same = _send(made, [look(_PART, one.headers) for one in islice(cycle(portals), number)], {"304"})
            for name, found in (("no-op", noop), ("moved", moved), ("whole", again), ("same", same)):
                times[name] += found if turn else []  # the first turn fills the caches
    p99 = {name: events.percentile(found, 99) for name, found in times.items()}
    return [
        Figure(
            what=f"p99 of {what}",
            measured=f"{p99[name]:.1f} ms",
            yardstick=f"{p99['no-op']:.1f} ms for a no-op GET",
            value=p99[name] / p99["no-op"],
            at_most=bound,
        )
        for name, what, bound in (
            ("moved", "the part of the overview that moves, once more was used", 6),
            ("whole", "the same, asked for without a tag while nothing moves", None),
            ("same", "the same, unchanged (304)", 2),
        )
    ]


def _use(made: Machine, customers: Sequence[int]) -> None:
    """A recording of each customer, counted when this returns."""
    names = {f"user{customer:07d}": f"sub{customer:07d}" for customer in customers}
    sent = [
        {
            "userId": user,
            "subscriptionId": subscription,
            "usageType": "type0",
            "quantity": 1,
            "idempotencyKey": str(uuid4()),
        }
        for user, subscription in names.items()
    ]
    _send(made, [request(BATCH, json.dumps({"events": sent}).encode(), key=key())], {"202"})
    made.settle()


def _beside(made: Machine, *, turns: int, number: int) -> Figure:
    """A recording's p99 while portals of the same customers are open, in turns with none."""
    portals = [_open(made, f"user{at}") for at in range(PORTALS)]
    alone: list[float] = []
    beside: list[float] = []
    _record(made, number, subscriptions=PORTALS)
    for _ in range(turns):
        alone += _record(made, number, subscriptions=PORTALS)
        with _polling(made, portals):
            beside += _record(made, number, subscriptions=PORTALS)
    ours, yardstick = events.percentile(beside, 99), events.percentile(alone, 99)
    return Figure(
        what=f"p99 of a recording beside {PORTALS} open portals, each asking every {EVERY} s",
        measured=f"{ours:.2f} ms",
        yardstick=f"{yardstick:.2f} ms alone",
        value=ours / yardstick,
        at_most=1.2,
    )


def _open(made: Machine, user: str) -> Portal:
    """A portal that has its overview."""
    with closing(HTTPConnection("127.0.0.1", made.port)) as connection:
        headers = {"x-api-key": ADMIN_KEY, "Content-Type": "application/json"}
        connection.request("POST", "/api/portal-sessions", body=json.dumps({"userId": user}), headers=headers)
        url = str(json.loads(connection.getresponse().read())["url"])
        connection.request("GET", url[url.index("/portal/") :])
        answer = connection.getresponse()
        answer.read()
        found = Portal((answer.headers["Set-Cookie"] or "").partition(";")[0])
        _look(connection, found)
    return found


def _look(connection: HTTPConnection, portal: Portal) -> None:
    connection.request("GET", _PART, headers=portal.headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status not in {200, 304}:
        raise RuntimeError(f"a portal is answered with {answer.status}")
    portal.tag = answer.headers["ETag"] or portal.tag


@contextmanager
def _polling(made: Machine, portals: Sequence[Portal]) -> Iterator[None]:
    """Have each portal ask every three seconds, spread evenly."""
    stopped = threading.Event()

    def ask() -> None:
        with closing(HTTPConnection("127.0.0.1", made.port)) as connection:
            begun = time.monotonic()
            for number, portal in enumerate(cycle(portals)):
                if stopped.wait(max(0, begun + number * EVERY / len(portals) - time.monotonic())):
                    return
                _look(connection, portal)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stopped.set()
        asking.join()


def _record(made: Machine, number: int, *, subscriptions: int) -> list[float]:
    """Milliseconds of each of so many recordings, sent at a steady rate."""
    sent = (json.dumps(events.event(subscriptions=subscriptions)).encode() for _ in range(number))
    return _send(made, [request(PATH, body, key=key()) for body in sent], {"202"}, connections=4, rate=RATE)


def _send(
    made: Machine,
    requests: Sequence[bytes],
    statuses: set[str],
    *,
    port: int | None = None,
    connections: int = 2,
    rate: float = 0,
) -> list[float]:
    file = made.home / "requests"
    save(file, requests)
    answers = made.client(file, port=port, connections=connections, rate=rate)
    if set(answers.statuses) != statuses:
        raise RuntimeError(f"not all were answered as they should be: {answers.statuses}")
    return answers.times
