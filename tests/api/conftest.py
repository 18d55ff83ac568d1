"""What the API answers about: the founding document's world, recorded and billed where a test asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tasks.inbox.protocol import Inbox
from tests.factories import make_recording, make_world, record
from tests.support.kept import kept
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.buy_package import NewPurchase, buy_package
from usage_billing.flows.administration.manage_packages import NewPackage, NewPackageVersion, create_package
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_schedules import Interval, NewSchedule, make_schedule
from usage_billing.flows.prepaid.manage_top_ups import NewRule, set_rule
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet

EVENT: dict[str, Any] = {
    "userId": "user123",
    "subscriptionId": "sub456",
    "usageType": "assessment",
    "quantity": 1,
    "metadata": {"reportId": "abc123"},
}

Bill = Callable[[], UUID]


@pytest.fixture
def bill(engine: Engine, now: datetime) -> Bill:
    """Run billing to its end; returns the run's id."""

    def run() -> UUID:
        with transaction(engine) as session:
            run_id = open_run(session, RunRequest(as_of=now), requested_by="test", now=now).id
        run_to_end(engine, run_id, settings_grace=timedelta(hours=1), on_progress=lambda _: None)
        return run_id

    return run


@dataclass(frozen=True)
class Billed:
    """What there is after 53 assessments were recorded and billed, and one recording was quarantined."""

    record_id: UUID
    quarantined_id: UUID
    run_id: UUID
    invoice_id: UUID
    item_id: UUID
    key_id: UUID
    quota_id: int
    grant_id: UUID
    schedule_id: UUID
    purchase_id: UUID
    top_up_id: UUID


@pytest.fixture
def billed(engine: Engine, bill: Bill, now: datetime, admin: FlaskClient) -> Billed:
    """The world, in which 53 assessments were recorded and billed, and one recording for an unknown subscription."""
    made = kept(engine, "billed", lambda: _make_billed(engine, bill, now))
    with read_only(engine) as session:
        return replace(made, key_id=session.execute(text("SELECT id FROM api_keys LIMIT 1")).scalar_one())


def _make_billed(engine: Engine, bill: Bill, now: datetime) -> Billed:
    """Its key is another in each test."""
    recordings = [make_recording(now=now, metadata='{"reportId":"abc123"}') for _ in range(53)]
    stray = make_recording(now=now, subscription="nobody")
    with transaction(engine) as session:
        make_world(session)
        record(session, *recordings, stray)
    run_id = bill()
    with transaction(engine) as session:
        wallet = NewWallet(id="w", customer_id="user123", unit_name="report", usage_types=["report"])
        create_wallet(session, wallet, actor="test", now=now)
        new = NewGrant(amount=Decimal(5), idempotency_key="k")
        monthly = NewSchedule(
            amount=Decimal(5), idempotency_key="k", every=Interval(interval="month"), starts_at=now + timedelta(days=1)
        )
        schedule, _ = make_schedule(session, "w", monthly, actor="test", now=now, grace=timedelta(hours=1))
        grant, _ = make_grant(session, "w", new, actor="test", now=now, grace=timedelta(hours=1))
        first = NewPackageVersion(amount=Decimal(5), price=Decimal(2))
        pack = NewPackage(
            id="pack", name="Pack", unit_name="report", usage_types=["report"], currency="USD", first=first
        )
        create_package(session, pack, actor="test", now=now)
        bought = NewPurchase(customer_id="user123", charge="paid", idempotency_key="k")
        purchase, _ = buy_package(session, "pack", bought, actor="test", now=now, grace=timedelta(hours=1))
        set_rule(session, "w", NewRule(below=Decimal(100), amount=Decimal(50)), actor="test", now=now)
    with read_only(engine) as session:
        return Billed(
            record_id=recordings[0].id,
            quarantined_id=stray.id,
            run_id=run_id,
            invoice_id=session.execute(text("SELECT id FROM invoices")).scalar_one(),
            item_id=session.execute(text("SELECT id FROM usage_invoice_items")).scalar_one(),
            key_id=UUID(int=0),
            quota_id=session.execute(text("SELECT id FROM usage_quotas")).scalar_one(),
            grant_id=grant.id,
            schedule_id=schedule.id,
            purchase_id=purchase.id,
            top_up_id=session.execute(text("SELECT id FROM wallet_top_ups")).scalar_one(),
        )


@pytest.fixture
def nothing_changed(engine: Engine, inbox: Inbox) -> Callable[[], bool]:
    """Whether nothing was recorded, quarantined, created or enqueued."""

    def check() -> bool:
        with read_only(engine) as session:
            tables = ("usage", "quarantined_usage", "usage_summaries", "billing_runs", "audit_log")
            rows = sum(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables)
        return rows == 0 and inbox.waiting() == 0

    return check
