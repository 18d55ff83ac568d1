"""A process that folds is killed, by signal 9, at each point at which it could count twice or not at all."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.factories import make_quota, make_recording, make_world, record
from tests.factories.meters import make_meter
from tests.meters.oracle import Call, expected_of, stored
from tests.meters.test_fold import TERMS
from tests.support.billing import bill
from usage_billing.core.clock import utc_now
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.verify.books import find_differences

POINTS = ("fold.claimed", "fold.counted", "fold.committing")


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
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, **TERMS)
        for mode in ("change", "set"):
            level = {"aggregation": "level", "mode": mode, "per": "hour", "carry": True, "dimensions": ["model"]}
            make_meter(session, id=mode, value="input", **level)
        make_quota(session, usage_type="tokens", limit=0, unit_price="0.01")
    for number, point in enumerate(POINTS):
        with transaction(engine) as session:
            for place in range(20):
                metadata = {"status": "ok", "input": place, "output": 1, "model": f"m{place % 3}", "direction": "in"}
                at = now - timedelta(hours=place + number)
                made = make_recording(now=now, metadata=json.dumps(metadata), occurred_at=at)
                record(session, made)
                calls.append(Call(made.id, metadata, at.astimezone(UTC).strftime("%d-%H:00")))
            if number:
                gone = calls[number * 20 - 1]
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
    bill(engine, _next_month(now), now=_next_month(now))
    with read_only(engine) as session:
        assert list(find_differences(session)) == []


def _next_month(now: datetime) -> datetime:
    return (now.replace(day=1) + timedelta(days=33)).replace(day=2)
