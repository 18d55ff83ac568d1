"""Whether recording slows down as the books grow.

A recording into empty books is compared with one whose subscription has a million already, and with one into books
of ten million.

The cost of a recording is the CPU that all processes of the system use for it. By the clock a burst on one
subscription is slower: one worker and one connection of PostgreSQL work on its shard, and wait for each other while
the rest of the machine idles.
"""

from itertools import count
from operator import attrgetter
from typing import NamedTuple

from benchmarks.batches import SUBSCRIPTIONS, record
from benchmarks.machine import Machine, Spent, machine
from benchmarks.report import Figure, rate
from benchmarks.seed import seed_usage
from benchmarks.single import record_one_by_one
from benchmarks.turns import Turns, in_turns

# ROUNDS compare two whole systems, MORE_ROUNDS subscriptions of one system. Those differ by less than the machine's
# speed varies: the median of 21 rounds would still be off by 2 or 3 percent.
ROUNDS, MORE_ROUNDS = 7, 31


class Cost(NamedTuple):
    """What a recording costs, in microseconds by the clock and of CPU."""

    clock: float
    cpu: float


_CLOCK, _CPU = attrgetter("clock"), attrgetter("cpu")


def run(*, quick: bool) -> list[Figure]:
    """Compare two systems, one with full books; then, in one of them, a full subscription beside fresh ones."""
    number, million, ten_million = (5_000, 50_000, 100_000) if quick else (50_000, 1_000_000, 10_000_000)
    with machine() as small:
        small.subscribe(SUBSCRIPTIONS + ROUNDS + 2 * MORE_ROUNDS)
        _batches(small, number // 5)
        with machine() as large:
            large.subscribe(SUBSCRIPTIONS)
            url = large.postgres.url().replace("postgresql://", "postgresql+psycopg://")
            seed_usage(url, subscriptions=ten_million // 1000, events=ten_million)
            _batches(large, number // 5)
            large.vacuum()
            systems = in_turns(
                ROUNDS, {"empty": lambda: _into_empty(small, number), "behind": lambda: _batches(large, number)}
            )
            recorded = large.recorded()
        # Each round adds to the subscription, so that it holds a million in the middle of the rounds.
        record(small, million - MORE_ROUNDS * number // 4, batch=1000, subscriptions=1)
        small.vacuum()
        unused = count(SUBSCRIPTIONS)
        traffic = in_turns(
            ROUNDS,
            {
                "spread": lambda: _batches(small, number),
                "one": lambda: _batches(small, number, only=next(unused)),
            },
        )
        ones = in_turns(
            MORE_ROUNDS,
            {
                "fresh": lambda: _batches(small, number // 2, only=next(unused)),
                "full": lambda: _batches(small, number // 2, only=0),
            },
        )
        singles = in_turns(
            MORE_ROUNDS,
            {
                "fresh": lambda: _one_by_one(small, number // 50, only=next(unused)),
                "full": lambda: _one_by_one(small, number // 50, only=0),
            },
        )
    behind, own = f"behind {recorded / 1e6:.1f} million", f"behind {million:,} of its own subscription and month"
    clock = traffic.of(_CLOCK)
    return [
        _in_cpu(f"cost of a recording {behind}", systems, "behind", "empty", at_most=1.5),
        _by_the_clock("the same", systems, "behind", "empty", at_most=1.5),
        _in_cpu(f"its cost {own}", ones, "full", "fresh", at_most=1.1),
        _by_the_clock("the same, one recording a request", singles, "full", "fresh", at_most=1.1),
        _by_the_clock("the same, in batches of 1,000", ones, "full", "fresh", at_most=1.1),
        Figure(
            what="all traffic on one subscription",
            measured=rate(1e6, clock.middle("one")),
            yardstick=f"{rate(1e6, clock.middle('spread'))} over {SUBSCRIPTIONS}",
            value=clock.ratio("spread", "one"),
            at_least=0.5,
        ),
    ]


def _in_cpu(what: str, turns: Turns[Cost], much: str, little: str, *, at_most: float) -> Figure:
    found = turns.of(_CPU)
    return Figure(
        what=what,
        measured=f"{found.middle(much):.1f} us of CPU",
        yardstick=f"{found.middle(little):.1f} us behind none",
        value=found.ratio(much, little),
        at_most=at_most,
    )


def _by_the_clock(what: str, turns: Turns[Cost], much: str, little: str, *, at_most: float) -> Figure:
    found = turns.of(_CLOCK)
    return Figure(
        what=f"{what}, by the clock",
        measured=rate(1e6, found.middle(much)),
        yardstick=f"{rate(1e6, found.middle(little))} behind none",
        value=found.ratio(much, little),
        at_most=at_most,
    )


def _batches(made: Machine, number: int, *, only: int | None = None) -> Cost:
    """The cost of a recording when ``number`` come in batches of 1,000, to all subscriptions or to ``only`` one."""
    if only is None:
        return _for_one(record(made, number, batch=1000), number)
    return _for_one(record(made, number, batch=1000, subscriptions=1, first=only), number)


def _one_by_one(made: Machine, number: int, *, only: int) -> Cost:
    return _for_one(record_one_by_one(made, number, subscriptions=1, first=only), number)


def _into_empty(made: Machine, number: int) -> Cost:
    made.sql("TRUNCATE usage, usage_summaries CASCADE")
    return _batches(made, number)


def _for_one(spent: Spent, number: int) -> Cost:
    """The cost of a recording, where ``spent`` is what ``number`` of them took."""
    return Cost(clock=spent.seconds / number * 1e6, cpu=sum(spent.cpu.values()) / number * 1e6)
