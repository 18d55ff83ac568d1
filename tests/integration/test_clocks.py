"""The database's clock rules: a machine whose clock is wrong starts no run, finalizes nothing, and dates nothing."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tasks import base, billing
from tests.factories import make_recording, record
from tests.integration.conftest import Answer, environment_of
from tests.support.billing import bill
from tests.support.books import rows, scalars
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_rehearsal import rehearse
from usage_billing.flows.billing.manage_invoices import finalize_invoice
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.settings import Settings

pytestmark = pytest.mark.real_clock

HOUR = timedelta(hours=1)
DAYS = timedelta(days=2)


def close_to(instant: datetime, other: datetime) -> bool:
    """Whether two instants are the same but for the time that a test takes."""
    return abs(instant - other) < timedelta(seconds=30)


@pytest.mark.parametrize("apart", [DAYS, -DAYS, timedelta(seconds=90)])
def test_a_run_is_not_opened_by_a_clock_that_is_wrong(world: Engine, apart: timedelta) -> None:
    for dry_run in (True, False):
        with pytest.raises(Unavailable) as caught, transaction(world) as session:
            open_run(session, RunRequest(dry_run=dry_run), requested_by="test", now=utc_now() + apart)
        assert caught.value.code == "clocks_apart"
        assert ("ahead of" if apart > timedelta(0) else "behind") in caught.value.message
    with pytest.raises(Unavailable):
        rehearse(world, RunRequest(), grace=HOUR, now=utc_now() + apart)
    assert rows(world, "SELECT id FROM billing_runs") == []


@pytest.mark.usefixtures("inbox")
def test_a_worker_whose_clock_is_wrong_starts_no_run(
    world: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.engine.cache_clear()
    monkeypatch.setattr(billing, "utc_now", lambda: utc_now() + DAYS)
    starts: list[Callable[[], None]] = [billing.sweep_ticks, lambda: billing._start("schedule:x", requested_by="beat")]
    for start in starts:
        with pytest.raises(Unavailable) as caught:
            start()
        assert caught.value.code == "clocks_apart"
    assert rows(world, "SELECT id FROM billing_runs") == []


def test_a_run_is_dated_by_the_databases_clock(world: Engine) -> None:
    with transaction(world) as session:
        run = open_run(session, RunRequest(), requested_by="test", now=utc_now() + timedelta(seconds=50))
    assert close_to(run.as_of, utc_now())
    assert close_to(run.started_at, utc_now())


def test_no_open_month_is_finalized_by_hand(world: Engine) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=utc_now(), quantity=53))
    bill(world, utc_now())
    (draft,) = scalars(world, "SELECT id FROM invoices")
    with pytest.raises(Unavailable) as caught, transaction(world) as session:
        finalize_invoice(session, draft, actor="test", now=utc_now() + timedelta(days=40))
    assert caught.value.code == "clocks_apart"
    assert scalars(world, "SELECT status FROM invoices") == ["draft"]


def test_a_recording_is_dated_by_the_database(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now), make_recording(now=now))
    (recorded_at,) = scalars(world, "SELECT DISTINCT recorded_at FROM usage")
    assert close_to(recorded_at, datetime.now(UTC))


def test_the_program_on_a_machine_two_days_ahead(world: Engine, settings: Settings, tmp_path: Path) -> None:
    def shifted(*arguments: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.shifted", "172800", *arguments],
            env=environment_of(settings, tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    refused = shifted("bill")
    assert refused.code == 4
    ahead = re.search(r"this machine's clock is (\d+) s ahead of the database's", refused.err)
    assert ahead is not None, refused.err
    assert abs(int(ahead[1]) - 172_800) <= 20
    found = {finding["code"]: finding["state"] for finding in json.loads(shifted("doctor", "--json").out)["findings"]}
    assert found["clocks_apart"] == "fail"
    assert rows(world, "SELECT id FROM billing_runs") == []
