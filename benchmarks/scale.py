"""The recording rate with one, two and four worker processes, and how much CPU each part of the system uses."""

from benchmarks import events
from benchmarks.batches import SUBSCRIPTIONS, record
from benchmarks.machine import machine
from benchmarks.report import Figure, rate

PROCESSES = (1, 2, 4)
ROUNDS = 3


def run(*, quick: bool) -> list[Figure]:
    """Record batches of 1,000; each figure tells the CPU of each part of the system, in microseconds an event."""
    number = 10_000 if quick else 100_000
    found: list[Figure] = []
    first = 0.0
    for processes in PROCESSES:
        with machine(processes=processes) as made:
            made.subscribe(SUBSCRIPTIONS)
            record(made, number // 5, batch=1000)
            rounds = [record(made, number, batch=1000) for _ in range(ROUNDS)]
            measured = events.rounds([number / spent.seconds for spent in rounds])
            used = {name: sum(spent.cpu[name] for spent in rounds) / (ROUNDS * number) * 1e6 for name in rounds[0].cpu}
        first = first or measured
        cost = ", ".join(f"{name} {each:.1f}" for name, each in used.items() if name != "beat")
        found.append(
            Figure(
                what=f"{processes} worker process{'es' if processes > 1 else ''}",
                measured=f"{rate(measured, 1)}; microseconds of CPU an event: {cost}",
                yardstick="" if processes == 1 else f"{rate(first, 1)} with one",
                value=measured / first,
            )
        )
    return found
