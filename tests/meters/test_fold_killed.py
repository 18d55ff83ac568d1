"""A process that folds is killed, by signal 9, at each point at which it could count twice or not at all."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from tests.factories import make_quota, make_recording, make_world, record
from tests.factories.meters import make_meter
from tests.meters.oracle import Call, expected_of, stored
from tests.meters.test_fold import TERMS
from tests.support.billing import bill
from tests.support.books import rows
from usage_billing.core.clock import utc_now
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.verify.books import find_differences

POINTS = ("fold.claimed", "fold.counted", "fold.committing")
BRUTE: dict[str, Callable[[Sequence[int]], Decimal]] = {
    "max": lambda values: Decimal(max(values)),
    "min": lambda values: Decimal(min(values)),
    "latest": lambda values: Decimal(values[-1]),
    "unique_count": lambda values: Decimal(len(set(values))),
    "average": lambda values: (Decimal(sum(values)) / len(values)).quantize(Decimal("1e-12"), ROUND_HALF_UP),
}
"""What each function comes to over values in the order in which they occurred."""
WINDOWED = {
    "unique_count": {"every": "hour", "across": "sum"},
    "max": {"every": "hour", "across": "percentile", "percent": 90, "empty": "skip"},
}


def folding(home: Path, *, expected: int) -> None:
    """``usage-billing usage-types fold`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "usage_billing", "usage-types", "fold", "--json"],
        env={**os.environ, "CRASH_AT": str(home)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expected, done.stderr


@pytest.mark.usefixtures("settings")
def test_a_fold_that_is_killed_anywhere_counts_everything_once(engine: Engine, tmp_path: Path) -> None:
    now = utc_now().replace(day=15)
    calls: list[Call] = []
    times: dict[UUID, tuple[datetime, int]] = {}
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, **TERMS)
        for mode in ("change", "set"):
            level = {"aggregation": "level", "mode": mode, "per": "hour", "carry": True, "dimensions": ["model"]}
            make_meter(session, id=mode, value="input", **level)
        make_quota(session, usage_type="tokens", limit=0, unit_price="0.01")
        for function in BRUTE:
            make_meter(session, id=function, aggregation=function, value="input", dimensions=["model"])
        for function, window in WINDOWED.items():
            make_meter(session, id=f"hourly-{function}", aggregation=function, value="input", window=window)
    for number, point in enumerate(POINTS):
        with transaction(engine) as session:
            for place in range(20):
                value = place * 7 % 20 + 10 * (len(POINTS) - number)  # later ones are smaller
                metadata = {"status": "ok", "input": value, "output": 1, "model": f"m{place % 3}", "direction": "in"}
                at = now - timedelta(hours=place + number)
                made = make_recording(now=now, metadata=json.dumps(metadata), occurred_at=at)
                record(session, made)
                calls.append(Call(made.id, metadata, at.astimezone(UTC).strftime("%d-%H:00")))
                times[made.id] = (at, len(times))
            if number:
                # The greatest of those that a fold may have counted.
                gone = max(
                    (call for call in calls[: number * 20] if call.counts), key=lambda call: call.metadata["input"]
                )
                void_usage(session, gone.id, reason="a mistake", actor="a test", now=now)
                gone.counts = False
        (tmp_path / point).touch()
        folding(tmp_path, expected=-signal.SIGKILL)
        assert not (tmp_path / point).exists()
        if number % 2:
            folding(tmp_path, expected=0)
    folding(tmp_path, expected=0)
    with read_only(engine) as session:
        expected, found = expected_of(calls), stored(session, "tokens")
        assert (found.series, found.buckets, found.skipped) == (expected.series, expected.buckets, 0)
    counting = sorted((call for call in calls if call.counts), key=lambda call: times[call.id])
    values = [call.metadata["input"] for call in counting]
    brute = {function: reckon(values) for function, reckon in BRUTE.items()}
    assert {name: totals(engine)[name] for name in BRUTE} == brute
    hourly = come_to_by_hour([(times[call.id][0], call.metadata["input"]) for call in counting])
    assert {name: totals(engine)[f"hourly-{name}"] for name in WINDOWED} == hourly
    bill(engine, _next_month(now), now=_next_month(now))
    # A meter that looks back on what is billed, and is killed as it does so, goes on.
    with transaction(engine) as session:
        make_meter(session, id="late", aggregation="unique_count", value="input", dimensions=["model"])
    (tmp_path / POINTS[-1]).touch()
    folding(tmp_path, expected=-signal.SIGKILL)
    folding(tmp_path, expected=0)
    assert totals(engine) | {"late": brute["unique_count"]} == totals(engine)
    bill(engine, _next_month(now), now=_next_month(now))
    with read_only(engine) as session:
        assert list(find_differences(session)) == []


def come_to_by_hour(counted: Sequence[tuple[datetime, int]]) -> dict[str, int]:
    """What the meters with windows come to."""
    hours: dict[datetime, list[int]] = {}
    for at, value in counted:
        hours.setdefault(at.replace(minute=0, second=0, microsecond=0), []).append(value)
    greatest = sorted(map(max, hours.values()))
    return {"unique_count": sum(len(set(found)) for found in hours.values()), "max": greatest[-(len(hours) // 10) - 1]}


def totals(engine: Engine) -> dict[str, Decimal]:
    """What each usage type and meter has come to."""
    return dict(rows(engine, "SELECT usage_type_id, total FROM usage_summaries"))


def _next_month(now: datetime) -> datetime:
    return (now.replace(day=1) + timedelta(days=33)).replace(day=2)
