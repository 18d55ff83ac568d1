"""The same recording in an empty table, behind a million on its own subscription, and behind ten million in all."""

from benchmarks import events
from benchmarks.batches import SUBSCRIPTIONS, record
from benchmarks.machine import Machine, machine
from benchmarks.report import Figure, rate
from benchmarks.seed import seed_usage


def run(*, quick: bool) -> list[Figure]:
    """All on one machine, whose books grow from one measurement to the next."""
    number, million, ten_million = (5_000, 20_000, 100_000) if quick else (50_000, 1_000_000, 10_000_000)
    with machine() as made:
        made.subscribe(SUBSCRIPTIONS)
        _rate(made, number // 5, SUBSCRIPTIONS)
        empty = _rate(made, number, SUBSCRIPTIONS)
        fresh = _rate(made, number, 1)
        record(made, million, batch=1000, subscriptions=1)
        full = _rate(made, number, 1)
        url = made.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        seed_usage(url, subscriptions=ten_million // 1000, events=ten_million)
        made.vacuum()
        large = _rate(made, number, SUBSCRIPTIONS)
        recorded = made.recorded()
    return [
        Figure(
            what=f"cost of a recording behind {recorded / 1e6:.1f} million",
            measured=rate(large, 1),
            yardstick=f"{rate(empty, 1)} in an empty table",
            value=empty / large,
            at_most=1.5,
        ),
        Figure(
            what=f"its cost behind {million:,} of its own subscription and month",
            measured=rate(full, 1),
            yardstick=f"{rate(fresh, 1)} when that was fresh",
            value=fresh / full,
            at_most=1.1,
        ),
        Figure(
            what="all traffic on one subscription",
            measured=rate(fresh, 1),
            yardstick=f"{rate(empty, 1)} over {SUBSCRIPTIONS}",
            value=fresh / empty,
            at_least=0.5,
        ),
    ]


def _rate(made: Machine, number: int, subscriptions: int) -> float:
    """Recordings a second, in batches of 1,000: the middle of three rounds."""
    return events.rounds([number / record(made, number, batch=1000, subscriptions=subscriptions) for _ in range(3)])
