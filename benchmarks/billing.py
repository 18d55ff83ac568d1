"""Billing a month of 100,000 subscriptions: a whole run by the workers of ``up``, beside the yardstick's copy."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.kept import keep, restore
from benchmarks.machine import Machine, key, machine
from benchmarks.report import Figure
from benchmarks.seed import seed_usage
from benchmarks.turns import in_turns
from benchmarks.yardstick import copy_books
from tests.faults.processes import tree

# The schedule's one run is that for the first of January, which beat asks for at its start and `settle_schedule` waits
# for. Without days of grace a run may finalize its invoices.
ENVIRONMENT = {"USAGE_BILLING_SCHEDULE": "0 0 1 1 *", "USAGE_BILLING_GRACE_SECONDS": "0"}
PATIENCE = 1800
ROUNDS = 7
_STATUS = """
    SELECT status, extract(epoch FROM finished_at - started_at)::float8, finalized FROM billing_runs WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class Month:
    """A machine with a month to bill, and what was measured on the way.

    ``again`` are seconds of runs with nothing to do, ``yardsticks`` seconds of copying the books, ``memory`` MiB of the
    worker's largest process, sampled once a second.
    """

    made: Machine
    subscriptions: int
    again: list[float] = field(default_factory=list)
    yardsticks: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def bill(self) -> float:
        """How many seconds a run takes. Afterwards the books are put back to when nothing was billed.

        They are put back at once: relaying the run's invoices would slow the next measurement.
        """
        seconds = self._bill()
        restore(self.made)
        return seconds

    def bill_and_compare(self) -> float:
        """How many seconds a run takes; notes a second run with nothing to do, and the yardstick around both.

        The yardstick copies the books. It is measured as the run finds the books and as it leaves them.
        """
        before = self._copy_books()
        seconds = self._bill()
        self.again.append(_run(self.made, invoices=0))
        self.yardsticks.append((before + self._copy_books()) / 2)
        restore(self.made)
        return seconds

    def _bill(self) -> float:
        with _memory_of(self.made) as memory:
            seconds = _run(self.made, invoices=self.subscriptions)
        self.memory.extend(memory)
        return seconds

    def _copy_books(self) -> float:
        self.made.sql("CHECKPOINT")
        with psycopg.connect(self.made.postgres.url()) as connection:
            return copy_books(connection)


def run(*, quick: bool) -> list[Figure]:
    """Bill the same subscriptions with few and with ten times as many recordings, on two machines in turns."""
    subscriptions = 1_000 if quick else 100_000
    with _month(subscriptions, subscriptions * 10) as few, _month(subscriptions, subscriptions * 100) as many:
        runs = in_turns(ROUNDS, {"few": few.bill, "many": many.bill_and_compare})
    again, seconds, yardstick = median(many.again), runs.middle("many"), median(many.yardsticks)
    beside = [found["many"] / copied for found, copied in zip(runs.rounds, many.yardsticks, strict=True)]
    start, middle, end = many.memory[0], many.memory[len(many.memory) // 2], many.memory[-1]
    return [
        Figure(
            what=f"a run over {subscriptions:,} subscriptions, final invoices included",
            measured=f"{seconds:.1f} s, {seconds / subscriptions * 1e6:.0f} us a subscription",
            yardstick=f"{yardstick:.1f} s to read the summaries and COPY the invoices and items",
            value=median(beside),
            at_most=3,
        ),
        Figure(
            what=f"{subscriptions * 100:,} recordings beside {subscriptions * 10:,}",
            measured=f"{seconds:.1f} s",
            yardstick=f"{runs.middle('few'):.1f} s",
            value=runs.ratio("many", "few"),
            at_most=1.1,
        ),
        Figure(
            what="a second run with nothing new",
            measured=f"{again * 1000:.0f} ms",
            yardstick=f"{seconds:.1f} s",
            value=again / seconds,
            at_most=0.02,
        ),
        Figure(
            what=f"memory of the largest worker process after {ROUNDS} runs",
            measured=f"{end:.0f} MiB ({start:.0f} when the first began)",
            yardstick=f"{middle:.0f} MiB in the middle",
            value=end / middle,
            at_most=1.1,
        ),
    ]


@contextmanager
def _month(subscriptions: int, events: int) -> Iterator[Month]:
    with machine(environment=ENVIRONMENT) as made:
        url = made.postgres.url()
        settle_schedule(made)
        seed_usage(url.replace("postgresql://", "postgresql+psycopg://"), subscriptions=subscriptions, events=events)
        keep(made)
        yield Month(made, subscriptions)


def settle_schedule(made: Machine) -> None:
    """Wait for the run that the schedule missed, on books that are still empty; TimeoutError after a minute."""
    deadline = time.monotonic() + 60
    with psycopg.connect(made.postgres.url(), autocommit=True) as watching:
        while not watching.execute("SELECT 1 FROM billing_runs WHERE status = 'completed'").fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the schedule opened no run\n{made.tail()}")
            time.sleep(0.2)


def _run(made: Machine, *, invoices: int) -> float:
    """Ask for a run over HTTP, wait until it is complete, and return the seconds between its opening and its end.

    Raises RuntimeError unless it made ``invoices`` final invoices, TimeoutError when it takes longer than PATIENCE.
    """
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


@contextmanager
def _memory_of(made: Machine) -> Iterator[list[float]]:
    """A list that grows by the MiB of the worker's largest process, once a second while the block runs."""
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
