"""A year 2025 that every noun has something to show of, so that nothing in an answer depends on when it is asked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.factories import make_quota, make_recording, make_world, record
from tests.integration.conftest import Cli, cli
from tests.support.callers import Keys
from tests.support.kept import kept
from usage_billing.access.principal import ADMIN, USAGE_READ
from usage_billing.access.rotation import Rotation
from usage_billing.access.service import NewKey
from usage_billing.catalog.service import NewPlan, NewQuota
from usage_billing.customers.parties import Address, Seller
from usage_billing.customers.service import NewCustomer
from usage_billing.db.session import transaction
from usage_billing.flows.administration.change_subscription import pause
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.manage_catalog import create_plan
from usage_billing.flows.administration.manage_customers import create_customer, set_seller
from usage_billing.flows.administration.manage_keys import create_key, rotate_key
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.flows.recording.quarantine import discard
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.settings import Settings
from usage_billing.subscriptions.service import NewSubscription

__all__ = ["Cli", "cli"]

ACTOR = "test"


def at(month: int, day: int) -> datetime:
    """Noon of a day in 2025."""
    return datetime(2025, month, day, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """When everything is asked: what the machine's clock says meanwhile is a year or more away."""
    return datetime(2025, 12, 2, 12, 30, 45, 123456, tzinfo=UTC)


@pytest.fixture
def books(engine: Engine, settings: Settings, now: datetime) -> dict[str, str]:
    """Three months of user123, an unused customer, and the ids that paths are made of."""
    return kept(engine, "books", lambda: _make_books(engine, settings, now))


@pytest.fixture
def admin(call_as: Callable[[str], FlaskClient], keys: Keys) -> FlaskClient:
    """An administrator, whose key is younger than the books: lists of keys show it in the same place each time."""
    return call_as(keys.issue(ADMIN))


def _make_books(engine: Engine, settings: Settings, now: datetime) -> dict[str, str]:
    _catalogue(engine, now)
    _keys(engine, settings, now)
    ids = _usage(engine, now)
    with engine.connect() as connection:

        def one(statement: str) -> str:
            return str(connection.execute(text(statement)).scalar_one())

        return ids | {
            "quota": one("SELECT min(id) FROM usage_quotas"),
            "key": one("SELECT id FROM api_keys WHERE replaced_by IS NOT NULL"),
            "draft": one("SELECT id FROM invoices WHERE status = 'draft' AND subscription_id = 'sub456'"),
            "invoice": one("SELECT id FROM invoices WHERE number = 1"),
            "item": one("SELECT t.id FROM usage_invoice_items t JOIN invoices i ON i.id = t.invoice_id"
                        " WHERE i.number = 1 AND t.usage_type_id IS NOT NULL"),
            "run": one("SELECT id FROM billing_runs ORDER BY id LIMIT 1"),
        }  # fmt: skip


def _catalogue(engine: Engine, now: datetime) -> None:
    tiers = [{"upTo": "10", "unitPrice": "2", "flatFee": "1"}, {"upTo": None, "unitPrice": "1.50", "flatFee": "0"}]
    with transaction(engine) as session:
        make_world(session)
        make_quota(session, limit=50, unit_price="12.5", now=at(12, 2))
        address = Address(line1="Rue du Lac 1", postal_code="1003", city="Lausanne", country="CH")
        acme = NewCustomer(
            id="acme", name="Acme", email="ann@example.com", legal_name="Acme SA", address=address,
            tax_id="CHE-123.456.788 TVA", language="fr-CH", buyer_reference="PO 4711",
        )  # fmt: skip
        create_customer(session, acme, actor=ACTOR, now=now)
        seller = Seller(
            legal_name="Example GmbH", address=Address(line1="Hauptstr. 1", city="Berlin", country="DE"),
            iban="DE89370400440532013000",
        )  # fmt: skip
        said = set_seller(session, seller, actor=ACTOR, now=now)
        said.created_at = now
        plan = NewPlan(
            id="gold", name="Gold", currency="JPY", interval="quarter", interval_count=2, base_fee=Decimal("900.5"),
            base_fee_timing="advance", proration="days", prorates_edges=True, payment_days=14,
        )  # fmt: skip
        create_plan(session, plan, actor=ACTOR, now=now)
        subscription = NewSubscription(
            id="sub-acme", customer_id="acme", plan_id="gold", started_at=at(11, 1), timezone="Asia/Tokyo",
            anchor="anniversary",
        )  # fmt: skip
        create_subscription(session, subscription, actor=ACTOR, now=now)
        own = NewQuota(
            plan_id="gold", usage_type="report", limit=None, price={"model": "graduated", "tiers": tiers},
            subscription_id="sub-acme", effective="now",
        )  # fmt: skip
        define_quota(session, own, actor=ACTOR, now=now)
        pause(session, "sub-acme", when=When(moment=now + timedelta(days=1)), actor=ACTOR, now=now)


def _keys(engine: Engine, settings: Settings, now: datetime) -> None:
    with transaction(engine) as session:
        new = NewKey(name="reports", scopes=[USAGE_READ], expires_at=at(12, 31), rate_limit=60)
        issued = create_key(session, new, secret=settings.require_secret(), actor=ACTOR, now=now)
        rotation = Rotation(overlap=timedelta(days=1), expires_at=at(12, 31))
        rotate_key(session, issued.row.id, secret=settings.require_secret(), rotation=rotation, actor=ACTOR, now=now)


def _usage(engine: Engine, now: datetime) -> dict[str, str]:
    first = make_recording(now=at(10, 10), quantity=40, metadata='{"reportId":"abc123"}', key="first", source="app")
    again = make_recording(now=at(10, 11), quantity=40, metadata='{"reportId":"abc123"}', key="first", source="app")
    taken = make_recording(now=at(10, 12), quantity=20, key="second")
    stray = make_recording(now=at(10, 13), subscription="nothing", key="stray")
    other = make_recording(now=at(10, 14), customer="acme", key="other")
    for recording in (first, again, taken, stray, other):
        with transaction(engine) as session:
            record(session, recording)
    _bill(engine, at(11, 1))
    with transaction(engine) as session:
        void_usage(session, taken.id, reason="reported twice", actor=ACTOR, now=at(11, 5))
        discard(session, other.id, actor=ACTOR, now=at(11, 6))
        record(session, make_recording(now=at(11, 10), quantity="3.5", usage_type="report", key="third"))
    _bill(engine, at(11, 15))
    _bill(engine, at(12, 1))
    with transaction(engine) as session:
        record(session, make_recording(now=at(12, 2), quantity=57, key="fourth"))
    _bill(engine, now)
    return {
        "kept": str(first.id),
        "again": str(again.id),
        "taken": str(taken.id),
        "stray": str(stray.id),
        "discarded": str(other.id),
    }


def _bill(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        run_id = open_run(session, RunRequest(as_of=now), requested_by=ACTOR, now=now).id
    run_to_end(engine, run_id, settings_grace=timedelta(hours=1), on_progress=lambda _: None)
