"""The same recording in an empty table, behind a million on its own subscription, and behind ten million in all."""

from collections.abc import Iterable, Iterator

from benchmarks import events
from benchmarks.batches import SUBSCRIPTIONS, record
from benchmarks.machine import Machine, machine
from benchmarks.report import Figure, rate
from benchmarks.seed import seed_usage

ROUNDS = 7


def run(*, quick: bool) -> list[Figure]:
    """What is compared is measured in turns, for a machine changes its speed from one minute to the next."""
    number, million, ten_million = (5_000, 20_000, 100_000) if quick else (50_000, 1_000_000, 10_000_000)
    with machine() as small:
        small.subscribe(SUBSCRIPTIONS + ROUNDS)
        _rate(small, number // 5)
        with machine() as large:
            large.subscribe(SUBSCRIPTIONS)
            url = large.postgres.url().replace("postgresql://", "postgresql+psycopg://")
            seed_usage(url, subscriptions=ten_million // 1000, events=ten_million)
            _rate(large, number // 5)
            large.vacuum()
            empty, behind = _middle((_rate_of_empty(small, number), _rate(large, number)) for _ in range(ROUNDS))
            recorded = large.recorded()
        record(small, million, batch=1000, subscriptions=1)
        spread, fresh, full = _middle(
            (_rate(small, number), _rate(small, number, only=SUBSCRIPTIONS + turn), _rate(small, number, only=0))
            for turn in range(ROUNDS)
        )
    return [
        Figure(
            what=f"cost of a recording behind {recorded / 1e6:.1f} million",
            measured=rate(behind, 1),
            yardstick=f"{rate(empty, 1)} in an empty table",
            value=empty / behind,
            at_most=1.5,
        ),
        Figure(
            what=f"its cost behind {million:,} of its own subscription and month",
            measured=rate(full, 1),
            yardstick=f"{rate(fresh, 1)} behind none",
            value=fresh / full,
            at_most=1.1,
        ),
        Figure(
            what="all traffic on one subscription",
            measured=rate(fresh, 1),
            yardstick=f"{rate(spread, 1)} over {SUBSCRIPTIONS}",
            value=fresh / spread,
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


def _middle(rounds: Iterable[tuple[float, ...]]) -> Iterator[float]:
    """Of each of what was measured in turns, the middle."""
    return map(events.rounds, zip(*rounds, strict=True))
