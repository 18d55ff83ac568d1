"""Reading usage through the API from small and from large books, and reading a list of records page by page."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
ROUNDS = 40
QUESTIONS = 500


@dataclass(frozen=True, slots=True)
class Measured:
    """How long answers to a question take: p99 in milliseconds, from the small books and from the large ones."""

    little: float
    much: float


def run(*, quick: bool) -> list[Figure]:
    """Ask a machine with 10,000 recordings and one with 10 million the same questions, in turns."""
    few, many, pages = (4_000, 40_000, 50) if quick else (10_000, 10_000_000, 1_000)
    with _holding(few) as little, _holding(many, pages=pages) as much:
        user = _p99(little, much, "/api/usage/user/user")
        subscription = _p99(little, much, "/api/usage/subscription/sub")
        first, late = _turn(much.made, pages)
    asked = (("a user's usage", user), ("a subscription's usage", subscription))
    found = [
        Figure(
            what=f"p99 of {what}, {many:,} recordings",
            measured=f"{p99.much:.1f} ms",
            value=p99.much,
            at_most=10,
        )
        for what, p99 in asked
    ]
    found += [
        Figure(
            what=f"the same of {what}, beside {few:,} recordings",
            measured=f"{p99.much:.1f} ms",
            yardstick=f"{p99.little:.1f} ms",
            value=p99.much / p99.little,
            at_most=1.2,
        )
        for what, p99 in asked
    ]
    found.append(
        Figure(
            what=f"pages around the {pages:,}th of {PAGE} records",
            measured=f"{late * 1000:.1f} ms",
            yardstick=f"{first * 1000:.1f} ms for one of the first",
            value=late / first,
            at_most=1.2,
        )
    )
    return found


@dataclass(frozen=True, slots=True)
class _Books:
    """A machine and the number of its subscriptions, each of which has EACH recordings."""

    made: Machine
    subscriptions: int


@contextmanager
def _holding(recordings: int, *, pages: int = 0) -> Iterator[_Books]:
    """A machine with ``recordings`` in its books; one more subscription has as many as fill ``pages`` pages."""
    with machine() as made:
        subscriptions = max(recordings // EACH, 1)
        url = made.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        seed_usage(url, subscriptions=subscriptions, events=recordings, at=datetime.now(UTC))
        if pages:
            record(made, (pages + TURNS) * PAGE, batch=1000, subscriptions=1)
        made.vacuum()
        yield _Books(made, subscriptions)


def _p99(little: _Books, much: _Books, path: str) -> Measured:
    """Ask for ``path`` over two connections without a pause, both machines in turns. The first of ROUNDS rounds is left
    out: it fills the caches.
    """
    found: dict[_Books, list[float]] = {little: [], much: []}
    for turn in range(ROUNDS):
        for books, times in found.items():
            file = books.made.home / "requests"
            asked = (
                1 + number * 7919 % books.subscriptions for number in range(turn * QUESTIONS, (turn + 1) * QUESTIONS)
            )
            save(file, (get(f"{path}{number:07d}", key=key()) for number in asked))
            answers = books.made.client(file, connections=2)
            if set(answers.statuses) != {"200"}:
                raise RuntimeError(f"not all were answered: {answers.statuses}")
            times.extend(answers.times)
    return Measured(*(events.percentile(times[QUESTIONS:], 99) for times in found.values()))


def _turn(made: Machine, pages: int) -> tuple[float, float]:
    """Median seconds to read one of the TURNS pages from the second on, and one of the TURNS last pages, in turns."""
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
    rounds = [(ask(one)[0], ask(other)[0]) for _ in range(TURNS // 4) for one, other in zip(early, late, strict=True)]
    connection.close()
    return events.rounds([one for one, _ in rounds]), events.rounds([other for _, other in rounds])
