"""Proves the books of one build in a process of its own, on a PostgreSQL of its own.

``python benchmarks/proofs.py SUBSCRIPTIONS RECORDINGS`` in the folder of any build that has ``benchmarks/seed.py``:
fills books and bills them, then answers each line of standard input with a line of JSON. ``verify``, with its options,
proves the books by the command: ``seconds`` by the clock, ``cpu`` seconds of its process and of the server for it, and
``memory``, the most MiB that its process had. ``copy`` reads every recording out of the server: ``seconds``, ``cpu``.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_ENDS = 0.5  # seconds in which the server's process of a connection ends after it


def main() -> None:
    """Serve until standard input ends."""
    # This file may belong to another build than the measured one, so it imports from the current folder alone.
    sys.path[0] = str(Path.cwd())
    from benchmarks.seed import seed_usage
    from tests.support.billing import bill
    from usage_billing.db.session import make_engine
    from usage_billing.embedded.postgres import EmbeddedPostgres

    subscriptions, recordings = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="usage-billing-bench-") as place, EmbeddedPostgres(Path(place)) as postgres:
        environment = {**os.environ, "DATABASE_URL": postgres.url(), "USAGE_BILLING_SECRET": "of-benchmarks-" * 3}
        _command("migrate", environment=environment)
        url = postgres.url().replace("postgresql://", "postgresql+psycopg://")
        now = datetime.now(UTC)
        seed_usage(url, subscriptions=subscriptions, events=recordings, at=now - timedelta(days=45))
        engine = make_engine(url)
        bill(engine, now)
        engine.dispose()
        _sql(postgres.url(), "VACUUM (ANALYZE)")
        print(json.dumps({"ready": True}), flush=True)
        server = int(next(Path(place).rglob("postmaster.pid")).read_text().split()[0])
        for line in sys.stdin:
            before = _of_ended(server)
            asked = line.split()
            found = _copy(postgres.url()) if asked == ["copy"] else _command(*asked, environment=environment)
            time.sleep(_ENDS)
            found["cpu"] += _of_ended(server) - before
            print(json.dumps(found), flush=True)


def _of_ended(pid: int) -> float:
    """Seconds of CPU that the children of a process took that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _command(*words: str, environment: dict[str, str]) -> dict[str, Any]:
    started = time.perf_counter()
    command = [sys.executable, "-m", "usage_billing", *words]
    ran = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(ran.pid, 0)
    if status:
        raise RuntimeError(f"usage-billing {words} ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "seconds": time.perf_counter() - started,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss / 1024,
    }


def _copy(url: str) -> dict[str, Any]:
    import psycopg

    started, used = time.perf_counter(), time.process_time()
    with psycopg.connect(url) as connection, connection.cursor().copy("COPY usage TO STDOUT") as rows:
        for _ in rows:
            pass
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used}


def _sql(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
