"""Recording batches: from the HTTP request to the row in the books, beside PostgreSQL copying the same rows."""

from benchmarks import events
from benchmarks.copy_rows import copy_rows
from benchmarks.load import request, save
from benchmarks.machine import Machine, Spent, key, machine
from benchmarks.report import Figure, rate
from benchmarks.turns import in_turns

PATH = "/api/usage/record/batch"
SUBSCRIPTIONS = 100
SIZES = ((1000, 0.50), (100, 0.25))


def run(*, quick: bool) -> list[Figure]:
    """Measure the yardstick and each batch size in turns on one machine; events per second."""
    number, rounds = (10_000, 1) if quick else (100_000, 5)
    with machine() as made:
        made.subscribe(SUBSCRIPTIONS)
        record(made, 5000, batch=1000)
        rates = in_turns(
            rounds,
            {
                "ceiling": lambda: number / copy_rows(made.postgres.url(), number, subscriptions=SUBSCRIPTIONS),
                **{str(size): lambda size=size: number / record(made, number, batch=size).seconds for size, _ in SIZES},
            },
        )
    return [
        Figure(
            what=f"batches of {size:,}, end to end",
            measured=rate(rates.middle(str(size)), 1),
            yardstick=f"{rate(rates.middle('ceiling'), 1)} by COPY and INSERT ... ON CONFLICT DO NOTHING",
            value=rates.ratio(str(size), "ceiling"),
            at_least=bound,
        )
        for size, bound in SIZES
    ]


def record(made: Machine, number: int, *, batch: int, subscriptions: int = SUBSCRIPTIONS, first: int = 0) -> Spent:
    """Send ``number`` recordings in batches and wait until the books hold them all; returns what that took."""
    file = made.home / "requests"
    sent = events.bodies(number, batch=batch, subscriptions=subscriptions, first=first)
    save(file, (request(PATH, body, key=key()) for body in sent))
    return made.record(file, number, connections=8)
