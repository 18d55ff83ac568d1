"""A billing run that is killed anywhere and run again leaves the books of a run that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_quota, make_recording, make_subscription, make_world, record
from tests.support.billing import GRACE, bill, driven, opened
from tests.support.books import check_billed, rows, scalars
from tests.support.databases import empty
from usage_billing.billing_runs.models import RunStatus
from usage_billing.billing_runs.queries import stalled
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import read_only, transaction

NOVEMBER = datetime(2026, 11, 15, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, 2, tzinfo=UTC)

# Each is a step of a run that the database is made to refuse as if its process had died there.
STAGES = {
    "planning": "BEFORE INSERT ON billing_run_slices",
    "moving on": "BEFORE UPDATE ON billing_runs",
    "marking usage by a quota that came later": "BEFORE UPDATE ON usage",
    "opening a draft": "BEFORE INSERT ON invoices",
    "writing an item": "BEFORE INSERT ON usage_invoice_items",
    "adding up, or finalizing": "BEFORE UPDATE ON invoices",
    "settling a summary": "BEFORE UPDATE ON usage_summaries",
    "taking numbers": "BEFORE UPDATE ON invoice_numbers",
    "noting who finalized": "BEFORE INSERT ON audit_log",
    "telling of it": "BEFORE INSERT ON outbox_messages",
    "noting a slice as done": "BEFORE UPDATE ON billing_run_slices",
}


def prepare(engine: Engine, subscriptions: int = 8) -> None:
    """Usage of last month and this month; some was counted before its quota, some of last month is late."""
    empty(engine)
    names = [f"sub{number:04}" for number in range(subscriptions)]
    with transaction(engine) as session:
        make_world(session)
        for name in names:
            make_subscription(session, id=name)
        record(session, *(make_recording(now=NOVEMBER, quantity=53, subscription=name) for name in names))
        record(
            session,
            *(make_recording(now=NOVEMBER, quantity=9, subscription=n, usage_type="report") for n in names[::2]),
        )
    bill(engine, DECEMBER, only=names[0])
    with transaction(engine) as session:
        make_quota(session, usage_type="report", limit=5, unit_price="0.125")
        record(
            session,
            *(make_recording(now=DECEMBER, quantity="4.5", occurred_at=NOVEMBER, subscription=name) for name in names),
            *(make_recording(now=DECEMBER, quantity=60, subscription=name) for name in names),
        )


def books(engine: Engine) -> list[Any]:
    """What was charged, whatever the numbers are."""
    return rows(
        engine,
        "SELECT i.subscription_id, i.status, i.period_start, i.total, x.kind, x.usage_type_id, x.period_start AS own,"
        " x.quantity, x.amount, x.billable, x.events FROM invoices i"
        " LEFT JOIN usage_invoice_items x ON x.invoice_id = i.id ORDER BY 1, 3, 6, 7",
    )


@contextmanager
def dying_at(engine: Engine, stage: str, *, after: int) -> Iterator[None]:
    """From the ``after``-th row of that step on, the database ends the transaction as a crash of it would."""
    with transaction(engine) as session:
        session.execute(text("CREATE SEQUENCE deaths"))
        session.execute(
            text(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF nextval('deaths') >= {after} THEN RAISE EXCEPTION 'killed' USING ERRCODE = '57P02'; END IF;"
                " RETURN NEW; END $$"
            )
        )
        session.execute(text(f"CREATE TRIGGER die {STAGES[stage]} FOR EACH ROW EXECUTE FUNCTION die()"))
    try:
        yield
    finally:
        with transaction(engine) as session:
            session.execute(text("DROP FUNCTION die() CASCADE"))
            session.execute(text("DROP SEQUENCE deaths"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_dies_at_any_stage_and_is_taken_up_again_bills_the_same(engine: Engine, stage: str) -> None:
    prepare(engine)
    bill(engine, DECEMBER)
    expected = books(engine)
    prepare(engine)
    run = opened(engine, DECEMBER)
    deaths = 0
    for after in (1, 3):
        with dying_at(engine, stage, after=after):
            try:
                driven(engine, run)
            except Unavailable:
                deaths += 1
    assert deaths, "the run never came by this stage"
    assert driven(engine, run).status == RunStatus.COMPLETED
    assert books(engine) == expected
    check_billed(engine)


def test_a_run_that_was_left_behind_is_found_and_one_at_work_is_not(engine: Engine) -> None:
    prepare(engine)
    long_ago = utc_now() - timedelta(minutes=5)
    left = opened(engine, DECEMBER, now=long_ago.replace(year=2027))
    with transaction(engine) as session:
        session.execute(
            text("UPDATE billing_runs SET heartbeat_at = :at WHERE status <> 'completed'"), {"at": long_ago}
        )
    opened(engine, DECEMBER, now=utc_now().replace(year=2027))
    with read_only(engine) as session:
        found = stalled(session, before=utc_now() - timedelta(minutes=1))
    assert found == [left.id]
    driven(engine, left)
    with read_only(engine) as session:
        assert stalled(session, before=utc_now() - timedelta(minutes=1)) == []


_CHILD = """
import sys
from datetime import timedelta
from uuid import UUID
from usage_billing.db.session import make_engine
from usage_billing.flows.billing import drive_run, run_stages
run_stages.SLICE = 6
engine = make_engine(sys.argv[1])
engine.connect().close()
print("ready", flush=True)
sys.stdin.readline()
drive_run.run_to_end(engine, UUID(sys.argv[2]), settings_grace=timedelta(hours=1), on_progress=lambda _: None)
"""


def drive_and_kill(url: str, run_id: UUID, *, after: float) -> bool:
    """Work on the run in a process of its own and kill -9 it after so many seconds; whether it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, url, str(run_id)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == b"ready\n"
        child.stdin.write(b"go\n")
        child.stdin.flush()
        time.sleep(after)
        child.send_signal(signal.SIGKILL)
        return child.wait(10) == -signal.SIGKILL


def test_a_process_killed_in_the_middle_again_and_again_bills_the_same(engine: Engine) -> None:
    prepare(engine, subscriptions=90)
    bill(engine, DECEMBER)
    expected = books(engine)
    prepare(engine, subscriptions=90)
    run = opened(engine, DECEMBER)
    chance = random.Random(20261122)
    progress = []
    url = engine.url.render_as_string(hide_password=False)
    for _ in range(4):
        if not drive_and_kill(url, run.id, after=chance.uniform(0.02, 0.3)):
            break
        progress += scalars(engine, "SELECT count(*) FROM billing_run_slices WHERE done AND run_id = :run", run=run.id)
    assert len(progress) > 1, "it was never killed in the middle"
    assert driven(engine, run, grace=GRACE).status == RunStatus.COMPLETED
    assert books(engine) == expected
    check_billed(engine)
    done = rows(engine, "SELECT finalized, amounts FROM billing_runs WHERE id = :run", run=run.id)[0]
    assert done.finalized == 89
    # All but what the first, small run of ``prepare`` had charged.
    assert Decimal(done.amounts["USD"]) == scalars(engine, "SELECT sum(total) FROM invoices")[0] - 30


def test_a_run_that_was_only_opened_has_done_nothing(engine: Engine) -> None:
    prepare(engine)
    run = opened(engine, DECEMBER)
    assert run.status == RunStatus.OPENED
    assert RunStatus.INVOICING not in scalars(engine, "SELECT status FROM billing_runs")
