"""Recording one event a request over 16 connections, from the request to the row in the books."""

import sys
import time
from pathlib import Path

import psycopg

from benchmarks import events
from benchmarks.load import request, save
from benchmarks.machine import Answers, Machine, Spent, key, machine, process, served
from benchmarks.report import Figure, rate

PATH = "/api/usage/record"


def run(*, quick: bool) -> list[Figure]:
    """Measure with one API process, as ``up`` starts it, and with one for each of two cores."""
    return [figure for processes in (1, 2) for figure in _measure(processes, quick=quick)]


def _measure(processes: int, *, quick: bool) -> list[Figure]:
    """Measure a no-op and this product in turns on one machine; then the baseline; then latencies at half the load."""
    number, rounds = (1000, 1) if quick else (16_000, 3)
    noops: list[float] = []
    ours: list[float] = []
    with machine(api=processes) as made:
        with served("benchmarks.baselines.noop:app", made) as port:
            _send(made, 500, port=port)
            record_one_by_one(made, 500)
            for _ in range(rounds):
                noops.append(number / _send(made, number, port=port).seconds)
                ours.append(number / record_one_by_one(made, number).seconds)
        base = _baseline(made, number // 20)
        middle, noop = events.rounds(ours), events.rounds(noops)
        half = _send(made, number // 2, rate=middle / 2)
        made.settle()
    server = "one API process" if processes == 1 else f"{processes} API processes"
    p50, p99 = (events.percentile(half.times, part) for part in (50, 99))
    return [
        Figure(
            what=f"recorded end to end, {server}",
            measured=rate(middle, 1),
            yardstick=f"{rate(noop, 1)} of a no-op Flask POST on the same server",
            value=middle / noop,
            at_least=0.45,
        ),
        Figure(
            what="beside a task for each event",
            measured=rate(middle, 1),
            yardstick=rate(base, 1),
            value=middle / base,
            at_least=4,
        ),
        Figure(
            what="p99 of the answer at half that load",
            measured=f"{p99:.2f} ms (p50 {p50:.2f} ms)",
            value=p99,
            at_most=50,
        ),
    ]


def _send(made: Machine, number: int, *, port: int | None = None, rate: float = 0) -> Answers:
    answers = made.client(_requests(made, number), port=port, rate=rate)
    if answers.statuses != {"202": number}:
        raise RuntimeError(f"not all were accepted: {answers.statuses}\n{made.tail()}")
    return answers


def record_one_by_one(made: Machine, number: int, **whose: int) -> Spent:
    """Send ``number`` single recordings and wait until the books hold them. ``whose`` goes to ``events.bodies``."""
    return made.record(_requests(made, number, **whose), number, connections=16)


def _requests(made: Machine, number: int, **whose: int) -> Path:
    file = made.home / "requests"
    save(file, (request(PATH, body, key=key()) for body in events.bodies(number, batch=1, **whose)))
    return file


def _baseline(made: Machine, number: int) -> float:
    """How many events a second the baseline brings into its table."""
    database = made.settings().database_url
    environment = {
        "ONE_TASK_BROKER": made.valkey.url(2),
        "ONE_TASK_DATABASE": database.replace("postgresql://", "postgresql+psycopg://"),
    }
    make = "from benchmarks.baselines import one_task as o; o.Base.metadata.create_all(o.engine)"
    with process([sys.executable, "-c", make], environment=environment) as maker:
        maker.wait(60)
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "benchmarks.baselines.one_task:tasks"]
    with (
        process([*celery, "worker", "-c", "2"], environment=environment),
        served("benchmarks.baselines.one_task:app", made, environment=environment) as port,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        _send(made, 50, port=port)
        _wait_for(connection, 50)
        started = time.perf_counter()
        _send(made, number, port=port)
        _wait_for(connection, 50 + number)
        return number / (time.perf_counter() - started)


def _wait_for(connection: psycopg.Connection, number: int) -> None:
    """Wait until the baseline's table has ``number`` rows; raises TimeoutError after 300 s."""
    deadline = time.monotonic() + 300
    while connection.execute("SELECT count(*) FROM one_task_events").fetchone() != (number,):
        if time.monotonic() > deadline:
            raise TimeoutError("the baseline does not come to an end")
        time.sleep(0.05)
