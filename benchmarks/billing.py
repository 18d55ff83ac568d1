"""A month of 100,000 subscriptions: a whole run by the workers of ``up``, beside what any program would need."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import psycopg

from benchmarks.machine import Machine, key, machine
from benchmarks.report import Figure
from benchmarks.seed import seed_usage
from benchmarks.yardstick import copy_books
from tests.faults.processes import tree

# No run but ours; everything that was used can be final.
ENVIRONMENT = {"USAGE_BILLING_SCHEDULE": "0 0 1 1 *", "USAGE_BILLING_GRACE_SECONDS": "0"}
PATIENCE = 1800
# Before the run, and as many after it. One alone is a tenth off either way.
YARDSTICKS = 3
_STATUS = """
    SELECT status, extract(epoch FROM finished_at - started_at)::float8, finalized FROM billing_runs WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of the run, of the run after it, and of the yardstick beside it; MiB of the largest process."""

    run: float
    again: float
    yardstick: float
    memory: tuple[float, float, float]

    @property
    def yardsticks(self) -> float:
        """What the run cost in yardsticks, each measured on its own machine: between the two the real one changes."""
        return self.run / self.yardstick


def run(*, quick: bool) -> list[Figure]:
    """The same subscriptions with few and with ten times as many recordings, each on a machine of its own."""
    subscriptions = 1_000 if quick else 100_000
    few, many = (_measure(subscriptions, events) for events in (subscriptions * 10, subscriptions * 100))
    start, middle, end = many.memory
    return [
        Figure(
            what=f"a run over {subscriptions:,} subscriptions, final invoices included",
            measured=f"{many.run:.1f} s, {many.run / subscriptions * 1e6:.0f} us a subscription",
            yardstick=f"{many.yardstick:.1f} s to read the summaries and COPY the invoices and items",
            value=many.yardsticks,
            at_most=3,
        ),
        Figure(
            what=f"{subscriptions * 100:,} recordings beside {subscriptions * 10:,}",
            measured=f"{many.yardsticks:.2f} yardsticks ({many.run:.1f} s)",
            yardstick=f"{few.yardsticks:.2f} of its own ({few.run:.1f} s)",
            value=many.yardsticks / few.yardsticks,
            at_most=1.1,
        ),
        Figure(
            what="a second run with nothing new",
            measured=f"{many.again * 1000:.0f} ms",
            yardstick=f"{many.run:.1f} s",
            value=many.again / many.run,
            at_most=0.02,
        ),
        Figure(
            what="memory of the largest worker process at the end",
            measured=f"{end:.0f} MiB ({start:.0f} when the run began)",
            yardstick=f"{middle:.0f} MiB in the middle",
            value=end / middle,
            at_most=1.1,
        ),
    ]


def _measure(subscriptions: int, events: int) -> Measured:
    with machine(environment=ENVIRONMENT) as made:
        url = made.postgres.url()
        seed_usage(url.replace("postgresql://", "postgresql+psycopg://"), subscriptions=subscriptions, events=events)
        yardsticks = [_yardstick(made) for _ in range(YARDSTICKS)]
        with _memory_of(made) as memory:
            first = _run(made, invoices=subscriptions)
        again = _run(made, invoices=0)
        yardsticks += [_yardstick(made) for _ in range(YARDSTICKS)]
    return Measured(
        run=first,
        again=again,
        yardstick=mean(yardsticks),
        memory=(memory[0], memory[len(memory) // 2], memory[-1]),
    )


def _run(made: Machine, *, invoices: int) -> float:
    """Ask for a run as a service would; its seconds from being opened to being complete."""
    made.sql("CHECKPOINT")
    asked = urllib.request.Request(
        f"{made.url}/api/usage/process-billing",
        data=b"{}",
        headers={"x-api-key": key(), "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        opened = json.load(answer)
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(made.postgres.url(), autocommit=True) as watching:
        while True:
            status, seconds, finalized = watching.execute(_STATUS, (opened["runId"],)).fetchall()[0]
            if status in {"completed", "failed"}:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"the run is {status} after {PATIENCE} s\n{made.tail()}")
            time.sleep(0.2)
    if (status, finalized) != ("completed", invoices):
        raise RuntimeError(f"the run is {status} with {finalized} invoices, not {invoices}\n{made.tail()}")
    return float(seconds)


def _yardstick(made: Machine) -> float:
    made.sql("CHECKPOINT")
    with psycopg.connect(made.postgres.url()) as connection:
        return copy_books(connection)


@contextmanager
def _memory_of(made: Machine) -> Iterator[list[float]]:
    """MiB of the largest of the worker's processes, every half a second while the block runs."""
    found: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while True:
            found.append(max(map(resident, tree(made.pid("worker")))) / 2**20)
            if ended.wait(1):
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        ended.set()
        watching.join()


def resident(pid: int) -> int:
    """Bytes that a process has in memory; 0 once it is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return 0
