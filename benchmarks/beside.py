"""A recording's p99 while another customer's usage, upcoming invoice and invoices of many usage types are read.

It stands beside two yardsticks: the p99 alone, and that beside a process which computes as much as the reads do, has
the lowest priority and nothing to do with us. The second says how much of the first ratio is the machine's.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection

from benchmarks import events
from benchmarks.load import request, save
from benchmarks.machine import Machine, key, machine
from benchmarks.report import Figure
from benchmarks.single import PATH
from tests.faults.system import ADMIN_KEY
from usage_billing.core.clock import as_text

RATE = 40
READS = (
    "/api/usage/subscription/wide",
    "/api/subscriptions/wide/upcoming-invoice",
    "/api/invoices?subscriptionId=wide",
)
# Computes for as many seconds as its argument says, and rests for as long, at the lowest priority there is. Linux
# weighs sessions first where it groups them, and a nice value only within one: so the session has to be nice too.
STRANGER = """
import os, sys, time
os.nice(19)
try:
    with open("/proc/self/autogroup", "w") as group:
        group.write("19")
except OSError:
    pass
seconds = float(sys.argv[1])
while True:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
    time.sleep(seconds)
"""


def run(*, quick: bool) -> list[Figure]:
    """Record at a steady rate on one machine, alone and beside the reads in turns."""
    types, turns, number = (100, 2, 120) if quick else (1000, 4, 200)
    alone: list[float] = []
    beside: list[float] = []
    stranger: list[float] = []
    with machine() as made:
        made.subscribe(10)
        _widen(made, types)
        _record(made, number)
        for _ in range(turns):
            alone += _record(made, number)
            with _reading(made) as answered:
                beside += _record(made, number)
            with _computing(sum(answered) / len(answered)):
                stranger += _record(made, number)
    ours = events.percentile(beside, 99)
    what = f"p99 of a recording beside reads of {types:,} usage types ({len(answered)} answers in the last turn)"
    yardsticks = {"alone": alone, "beside another program that computes as much": stranger}
    return [
        Figure(
            what=what,
            measured=f"{ours:.2f} ms",
            yardstick=f"{events.percentile(times, 99):.2f} ms {name}",
            value=ours / events.percentile(times, 99),
            at_most=1.2,
        )
        for name, times in yardsticks.items()
    ]


def _widen(made: Machine, types: int) -> None:
    """A subscription with so many usage types, each with a quota and used beyond it."""
    now = datetime.now(UTC)
    with closing(HTTPConnection("127.0.0.1", made.port)) as connection:
        _post(connection, "/api/customers", {"id": "wide", "name": "wide"})
        _post(connection, "/api/plans", {"id": "wide", "name": "wide", "currency": "USD"})
        for number in range(types):
            name = f"type{number}"
            _post(connection, "/api/usage-types", {"id": name, "unitName": "unit"})
            quota = {"planId": "wide", "usageType": name, "monthlyLimit": "1", "unitPrice": "1"}
            _post(connection, "/api/quotas", quota)
        begun = as_text(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
        _post(connection, "/api/subscriptions", {"id": "wide", "userId": "wide", "planId": "wide", "startedAt": begun})
        used = [
            {"userId": "wide", "subscriptionId": "wide", "usageType": f"type{number}", "quantity": 3}
            for number in range(types)
        ]
        for start in range(0, types, 1000):
            _post(connection, f"{PATH}/batch", {"events": used[start : start + 1000]})
        made.settle()
        _post(connection, "/api/usage/process-billing", {})


def _post(connection: HTTPConnection, path: str, body: object) -> None:
    headers = {"x-api-key": ADMIN_KEY, "Content-Type": "application/json"}
    connection.request("POST", path, body=json.dumps(body), headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {text!r}")


def _record(made: Machine, number: int) -> list[float]:
    """Milliseconds of each of so many recordings of other customers, sent at a steady rate."""
    file = made.home / "requests"
    save(file, (request(PATH, json.dumps(events.event(subscriptions=10)).encode(), key=key()) for _ in range(number)))
    answers = made.client(file, connections=4, rate=RATE)
    if set(answers.statuses) != {"202"}:
        raise RuntimeError(f"not all were answered: {answers.statuses}")
    return answers.times


@contextmanager
def _reading(made: Machine) -> Iterator[list[float]]:
    """Ask for one read after the other, with a pause as long as the answer took; gives the seconds of each answer."""
    stopped, answered = threading.Event(), list[float]()

    def ask() -> None:
        with closing(HTTPConnection("127.0.0.1", made.port)) as connection:
            while not stopped.is_set():
                for path in READS:
                    started = time.perf_counter()
                    connection.request("GET", path, headers={"x-api-key": ADMIN_KEY})
                    connection.getresponse().read()
                    answered.append(time.perf_counter() - started)
                    stopped.wait(answered[-1])

    reader = threading.Thread(target=ask)
    reader.start()
    try:
        yield answered
    finally:
        stopped.set()
        reader.join()


@contextmanager
def _computing(seconds: float) -> Iterator[None]:
    """Beside a process that computes for so long, rests for as long, and so on."""
    process = subprocess.Popen([sys.executable, "-c", STRANGER, str(seconds)], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()
