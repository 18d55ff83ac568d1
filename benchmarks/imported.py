"""Imports files into the books of one build in a process of its own, on a PostgreSQL of its own.

``python benchmarks/imported.py SUBSCRIPTIONS`` in the folder of any build that has ``benchmarks/seed.py``: makes the
subscriptions, then answers each line ``LINES`` of standard input with a line of JSON. It makes a file of so many lines,
in random order over the subscriptions and of a month that no file had before, and imports it by the command:
``seconds`` by the clock, ``cpu``, seconds of the command, ``postgres``, those of PostgreSQL, and ``memory``, the most
MiB that the command had.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_MONTHS = 20
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Serve until standard input ends."""
    # This file may belong to another build than the measured one, so it imports from the current folder alone.
    sys.path[0] = str(Path.cwd())
    from benchmarks.seed import seed_usage
    from usage_billing.embedded.postgres import EmbeddedPostgres

    subscriptions = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="usage-billing-bench-") as place, EmbeddedPostgres(Path(place)) as postgres:
        environment = {**os.environ, "DATABASE_URL": postgres.url(), "USAGE_BILLING_SECRET": "of-benchmarks-" * 3}
        _run("migrate", environment=environment)
        url = postgres.url().replace("postgresql://", "postgresql+psycopg://")
        begun = datetime.now(UTC).replace(hour=0, minute=0) - timedelta(days=31 * _MONTHS)
        seed_usage(url, subscriptions=subscriptions, events=2 * subscriptions, at=begun)
        print(json.dumps({"ready": True}), flush=True)
        file = Path(place) / "usage.csv"
        for number, line in enumerate(sys.stdin, 1):
            _write(file, int(line), subscriptions, month=begun + timedelta(days=31 * (number % _MONTHS)), seed=number)
            used = _cpu_below(os.getpid())
            found = _run("import", str(file), environment=environment)
            found["postgres"] = _cpu_below(os.getpid()) - used - found["cpu"]
            print(json.dumps(found), flush=True)


def _write(file: Path, lines: int, subscriptions: int, *, month: datetime, seed: int) -> None:
    """Each subscription has as many lines as another, give or take one, each with a time and metadata of its own."""
    chance = random.Random(seed)
    owners = [number % subscriptions + 1 for number in range(lines)]
    chance.shuffle(owners)
    with file.open("w") as text:
        text.write("userId,subscriptionId,usageType,quantity,metadata,timestamp,idempotencyKey\n")
        for number, owner in enumerate(owners):
            at = (month - timedelta(seconds=chance.random() * 86400 * 2)).isoformat()
            named = f"user{owner:07},sub{owner:07},type{number % 2}"
            metadata = f'"{{""region"":""eu-west-1"",""reportId"":{number}}}"'
            text.write(f"{named},{chance.randint(1, 9)},{metadata},{at},{seed}-{number:08}\n")


def _run(*words: str, environment: dict[str, str]) -> dict[str, Any]:
    started = time.perf_counter()
    command = [sys.executable, *os.environ.get("BENCH_PYTHON", "").split(), "-m", "usage_billing", *words]
    ran = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert ran.stderr
    told = ran.stderr.read()
    _, status, used = os.wait4(ran.pid, 0)
    if status:
        raise RuntimeError(f"usage-billing {words[0]} ended with {os.waitstatus_to_exitcode(status)}: {told[-500:]!r}")
    return {
        "seconds": time.perf_counter() - started,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss / 1024,
    }


def _cpu_below(pid: int) -> float:
    """Seconds of CPU of the processes below ``pid``, with those that have ended."""
    used = sum(_times(pid)[2:])
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            used += sum(_times(int(child))[:2]) + _cpu_below(int(child))
    return used


def _times(pid: int) -> list[float]:
    with suppress(OSError):  # it ended meanwhile
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
        return [int(field) / _TICKS for field in fields]
    return [0.0] * 4


if __name__ == "__main__":
    main()
