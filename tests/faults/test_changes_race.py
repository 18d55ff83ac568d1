"""Changes race with recordings, with runs and with each other, and their processes are killed: the books stay exact.

``USAGE_BILLING_FAULT_CHANGES`` is how many changes are made (60).
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.factories import make_customer, make_usage_type
from tests.faults.changing import CHANGES, GRACE, PLANS, SUBSCRIPTIONS, TYPES
from tests.money.books import differences
from tests.support.billing import bill, driven
from tests.support.books import scalars
from tests.support.servers import Servers
from usage_billing.billing_runs.models import BillingRun
from usage_billing.catalog.service import NewPlan, NewQuota
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.manage_catalog import create_plan
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.settings import Settings
from usage_billing.subscriptions.service import NewSubscription

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
ROLES = ("change", "change", "change", "record", "record", "bill")
_MADE = "SELECT count(*) FROM audit_log WHERE action LIKE 'subscription.%' AND action <> 'subscription.created'"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_UNFINISHED = "SELECT id FROM billing_runs WHERE status NOT IN ('completed', 'failed') ORDER BY id"
_FINAL = "SELECT count(*) FROM invoices WHERE number IS NOT NULL"
_LONGEST = 300.0 + 2 * CHANGES
"""Seconds: two for a change on a busy machine of two cores."""


def prepare(engine: Engine) -> None:
    """Plans by the day, of which one charges at a downgrade and one in advance, and subscriptions of three days."""
    begun = utc_now() - timedelta(days=3)
    with transaction(engine) as session:
        make_customer(session, id="ann")
        for name in TYPES:
            make_usage_type(session, id=name)
        terms = ({"on_downgrade": "charge"}, {"base_fee_timing": "advance"}, {"proration": "days"})
        for plan, more in zip(PLANS, terms, strict=True):
            new = NewPlan(id=plan, name=plan, currency="USD", interval="day", base_fee=Decimal(30), **more)
            create_plan(session, new, actor="test", now=begun)
            for usage_type in TYPES:
                price = {"model": "per_unit", "unitPrice": "1", "minimumAmount": "2"}
                quota = NewQuota(plan_id=plan, usage_type=usage_type, limit=Decimal(50), price=price)
                define_quota(session, quota, actor="test", now=begun)
        for number in range(SUBSCRIPTIONS):
            plan = PLANS[number % len(PLANS)]
            one = NewSubscription(id=f"s{number}", customer_id="ann", plan_id=plan, started_at=begun)
            create_subscription(session, one, actor="test", now=begun)


class Racers:
    """The processes of all roles; those that run are killed at the latest when the race is over."""

    def __init__(self, settings: Settings, chance: random.Random, stack: ExitStack) -> None:
        self._chance = chance
        self._running: dict[int, str] = {}
        stack.callback(self._end)
        command = [sys.executable, "-m", "tests.faults.changing", settings.require_database()]
        self._mother = stack.enter_context(
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        for role in ROLES:
            self._begin(role)

    def _begin(self, role: str) -> None:
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        self._mother.stdin.write(f"{self._chance.randrange(10**6)} {role}\n")
        self._mother.stdin.flush()
        self._running[int(self._mother.stdout.readline())] = role

    def kill_one(self) -> None:
        """Kill one of them, and let another with its role begin."""
        process = self._chance.choice(list(self._running))
        role = self._running.pop(process)
        os.kill(process, signal.SIGKILL)
        self._begin(role)

    def check(self) -> None:
        """Raises ProcessLookupError if one of them has ended by itself."""
        for process in self._running:
            os.kill(process, 0)

    def _end(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def race(engine: Engine, settings: Settings, chance: random.Random) -> int:
    """Let all roles run until enough changes are made, killing one process after the other; returns the kills."""
    kills, ends = 0, time.monotonic() + _LONGEST
    with ExitStack() as stack:
        racers = Racers(settings, chance, stack)
        while scalars(engine, _MADE)[0] < CHANGES:
            assert time.monotonic() < ends, "the changes do not get on"
            time.sleep(chance.uniform(2, 8))
            racers.check()
            racers.kill_one()
            kills += 1
    return kills


def deadlocks_in(log: Path | None) -> str:
    """What the server told of deadlocks: who waited for whom, in which statements."""
    if log is None:
        return "the server's log says which"
    lines = log.read_text(errors="replace").splitlines()
    begun = [number for number, line in enumerate(lines) if "deadlock detected" in line]
    return "\n".join(line for number in begun for line in lines[number : number + 12])


def test_changes_race_with_recording_billing_and_kills(engine: Engine, settings: Settings, servers: Servers) -> None:
    seed = int(os.environ.get("USAGE_BILLING_FAULT_SEED") or random.randrange(10**6))
    print(f"seed {seed}")
    prepare(engine)
    before = scalars(engine, _DEADLOCKS)[0]
    kills = race(engine, settings, random.Random(seed))
    for run_id in scalars(engine, _UNFINISHED):
        driven(engine, BillingRun(id=run_id), grace=GRACE)
    run = bill(engine, utc_now(), grace=GRACE)
    assert (run.status, run.warnings) == ("completed", [])
    assert differences(engine) == []
    assert scalars(engine, "SELECT count(*) FROM usage")[0] > 0
    assert scalars(engine, _DEADLOCKS)[0] - before == 0, deadlocks_in(servers.database_log)
    made, final = scalars(engine, _MADE)[0], scalars(engine, _FINAL)[0]
    print(f"{made} changes, {kills} kills, {final} final invoices")
    assert made >= CHANGES
    assert kills > 0
    assert final > 0
