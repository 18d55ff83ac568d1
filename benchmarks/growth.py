"""The same recording in an empty table, behind a million on its own subscription, and behind ten million in all."""

from itertools import count

from benchmarks.batches import SUBSCRIPTIONS, record
from benchmarks.machine import Machine, machine
from benchmarks.report import Figure, rate
from benchmarks.seed import seed_usage
from benchmarks.turns import in_turns

# Of two whole systems; and of subscriptions of one, which differ by less than the machine does from itself.
ROUNDS, MORE_ROUNDS = 7, 21


def run(*, quick: bool) -> list[Figure]:
    """Two systems side by side, and then a subscription with much beside others with little."""
    number, million, ten_million = (5_000, 50_000, 100_000) if quick else (50_000, 1_000_000, 10_000_000)
    with machine() as small:
        small.subscribe(SUBSCRIPTIONS + MORE_ROUNDS)
        _rate(small, number // 5)
        with machine() as large:
            large.subscribe(SUBSCRIPTIONS)
            url = large.postgres.url().replace("postgresql://", "postgresql+psycopg://")
            seed_usage(url, subscriptions=ten_million // 1000, events=ten_million)
            _rate(large, number // 5)
            large.vacuum()
            systems = in_turns(
                ROUNDS, {"empty": lambda: _rate_of_empty(small, number), "behind": lambda: _rate(large, number)}
            )
            recorded = large.recorded()
        # A million in the middle of the rounds, each of which adds to it.
        record(small, million - MORE_ROUNDS * number // 4, batch=1000, subscriptions=1)
        small.vacuum()
        unused = count(SUBSCRIPTIONS)
        ones = in_turns(
            MORE_ROUNDS,
            {
                "spread": lambda: _rate(small, number // 2),
                "fresh": lambda: _rate(small, number // 2, only=next(unused)),
                "full": lambda: _rate(small, number // 2, only=0),
            },
        )
    return [
        Figure(
            what=f"cost of a recording behind {recorded / 1e6:.1f} million",
            measured=rate(systems.middle("behind"), 1),
            yardstick=f"{rate(systems.middle('empty'), 1)} in an empty table",
            value=systems.ratio("empty", "behind"),
            at_most=1.5,
        ),
        Figure(
            what=f"its cost behind {million:,} of its own subscription and month",
            measured=rate(ones.middle("full"), 1),
            yardstick=f"{rate(ones.middle('fresh'), 1)} behind none",
            value=ones.ratio("fresh", "full"),
            at_most=1.1,
        ),
        Figure(
            what="all traffic on one subscription",
            measured=rate(ones.middle("fresh"), 1),
            yardstick=f"{rate(ones.middle('spread'), 1)} over {SUBSCRIPTIONS}",
            value=ones.ratio("fresh", "spread"),
            at_least=0.5,
        ),
    ]


def _rate(made: Machine, number: int, *, only: int | None = None) -> float:
    """Recordings a second, in batches of 1,000, over all subscriptions or ``only`` one."""
    if only is None:
        return number / record(made, number, batch=1000)
    return number / record(made, number, batch=1000, subscriptions=1, first=only)


def _rate_of_empty(made: Machine, number: int) -> float:
    made.sql("TRUNCATE usage, usage_summaries CASCADE")
    return _rate(made, number)
