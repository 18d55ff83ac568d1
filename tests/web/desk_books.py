"""Books in which each admin page has something to show, and the addresses of those pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tests.factories import make_plan, make_quota, make_recording, make_usage_type, record
from tests.support.events import relayed
from tests.web.conftest import Books
from tests.webhooks.conftest import SECRET
from usage_billing.access.models import ApiKey
from usage_billing.db.session import transaction
from usage_billing.flows.administration.buy_package import NewPurchase, buy_package
from usage_billing.flows.administration.manage_meters import UsageTypeChanges, change, create
from usage_billing.flows.administration.manage_packages import NewPackage, NewPackageVersion, create_package
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.flows.alerting.manage_alerts import create_alert
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint, disable_endpoint
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_schedules import Interval, NewSchedule, make_schedule
from usage_billing.flows.prepaid.manage_top_ups import NewRule, set_rule
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
from usage_billing.meters.asked import MeterChanges, NewMeter
from usage_billing.outbox.models import OutboxMessage
from usage_billing.outbox.rendering import event_id
from usage_billing.outbox.service import Fact, tell
from usage_billing.schedules.models import Schedule
from usage_billing.top_ups.models import TopUp
from usage_billing.webhooks.models import WebhookAttempt, WebhookDelivery

_OF_ALERT = ("", "?told=unresolved", "/change", "/test", "/end")
_OF_ENDPOINT = ("change", "rotate", "reveal", "test", "disable", "enable", "replay", "delete")


@dataclass(frozen=True)
class Desks:
    """Addresses of pages of single things, all of which are there."""

    addresses: tuple[str, ...]


def desks(engine: Engine, used: Books, now: datetime) -> Desks:
    """Add to the books of ``used`` what is odd, planned and prepaid."""
    with transaction(engine) as session:
        make_plan(session, id="gold", name="Gold")
        make_quota(session, plan="gold", unit_price="1.00")
        lost = [make_recording(now=now, subscription="none", key=f"lost-{number}") for number in range(3)]
        record(session, *lost)
        run_id = open_run(session, RunRequest(as_of=now), requested_by="test", now=now).id
    run_to_end(engine, run_id, settings_grace=timedelta(hours=1), on_progress=lambda _: None)
    with transaction(engine) as session:
        grant_id, wallet = _prepaid(session, now)
        _sold(session, now)
        lines = [Decimal(80), Decimal(100)]
        watched = NewAlert(id="use", customer_id="user123", watches="percent", thresholds=lines, to=None)
        create_alert(session, watched, actor="test", now=now)
        key_id = session.scalars(select(ApiKey.id)).first()
        top_up_id, schedule_id = session.scalars(select(TopUp.id)).one(), session.scalars(select(Schedule.id)).one()
    event_id, delivery_id = told(engine, now)
    more = [f"/admin/wallets/{wallet}", f"/admin/wallets/{wallet}/grant", f"/admin/keys/{key_id}"]
    more += [f"/admin/grants/{grant_id}/{what}" for what in ("activate", "void", "refund")]
    more += [f"/admin/wallets/{wallet}/{what}" for what in ("recur", "reset", "top-up-rule", "end-top-up-rule")]
    more += [f"/admin/wallets/{wallet}/{what}" for what in ("close", "open")]
    more += [f"/admin/top-ups/{top_up_id}/{what}" for what in ("paid", "failed")]
    more += [f"/admin/schedules/{schedule_id}/end", "/admin/top-ups?state=failed"]
    more += [f"/admin/keys/{key_id}/{what}" for what in ("change", "rotate", "revoke")]
    more += [f"/admin/endpoints/books{what}" for what in ("", "?state=failed")]
    more += [f"/admin/endpoints/books/{what}" for what in _OF_ENDPOINT]
    more += ["/admin/endpoints/new", "/admin/endpoints/off", f"/admin/deliveries/{delivery_id}"]
    more += [f"/admin/events/{event_id}", f"/admin/events/{event_id}/resend", "/admin/events?type=invoice.voided"]
    more += ["/admin/packages/new", *(f"/admin/packages/pages{what}" for what in ("", "/version", "/sell"))]
    more += ["/admin/alerts/new", "/admin/alerts?userId=user123", *(f"/admin/alerts/use{what}" for what in _OF_ALERT)]
    more += [f"/admin/revenue?by={by}" for by in ("plan", "usageType", "customer")]
    return Desks(addresses=(*_addresses(used, lost[0].id, run_id), *more))


def _addresses(used: Books, lost: UUID, run_id: UUID) -> Iterator[str]:
    yield "/admin/customers/user123"
    yield from (f"/admin/customers/user123/{what}" for what in ("change", "credit"))
    yield "/admin/customers/new"
    yield "/admin/subscriptions/sub456"
    yield from (f"/admin/subscriptions/sub456/{what}" for what in ("change-plan", "pause", "resume", "cancel"))
    yield "/admin/subscriptions/sub456/move-start"
    yield "/admin/subscriptions/new"
    yield f"/admin/records/{used.record_id}"
    yield from ("/admin/records?subscription=sub456", "/admin/records?find=none", "/admin/records/new")
    yield f"/admin/records/{used.record_id}/take-back"
    yield f"/admin/invoices/{used.invoice_id}"
    yield from (f"/admin/invoices/{used.invoice_id}/{what}" for what in ("pay", "void", "uncollectible", "finalize"))
    yield f"/admin/invoices/{used.invoice_id}/items/{used.item_id}"
    yield from ("/admin/runs/new", f"/admin/runs/{run_id}")
    yield from (f"/admin/plans/{what}" for what in ("new", "business", "what-if", "try-a-price"))
    yield from (f"/admin/plans/business/{what}" for what in ("change", "base-fee", "quota"))
    yield "/admin/subscriptions/sub456/quota"
    yield from (f"/admin/usage-types/{what}" for what in ("new", "new-meter", "try", "tokens", "assessment"))
    yield from (f"/admin/usage-types/tokens/{what}" for what in ("change", "retire"))
    yield from ("/admin/seller/change", "/admin/seller/rates")
    yield from ("/admin/keys/new", "/admin/wallets/new", "/admin/audit?actor=test")
    yield "/admin/quarantine?reason=unknown_subscription"
    yield from (f"/admin/quarantine/{lost}{more}" for more in ("", "/replay", "/discard"))


def told(engine: Engine, now: datetime) -> tuple[str, UUID]:
    """Two endpoints, one of them disabled, an event, and two tries to tell it; returns the event's and a delivery's id.

    The first answered 503, the second not at all.
    """
    with transaction(engine) as session:
        for id in ("books", "off"):
            new = NewEndpoint(id=id, url=f"https://{id}.example.com/hooks", types=["*"], description="The ledger")
            create_endpoint(session, new, under=SECRET, actor="test", now=now)
        disable_endpoint(session, "off", actor="test", now=now)
        tell(session, [Fact("invoice.paid", "desk", {"invoiceId": "<i>"}, "user123")])
    relayed(engine)
    with transaction(engine) as session:
        delivery = session.scalars(
            select(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == "books")
            .order_by(WebhookDelivery.position.desc())
        ).first()
        assert delivery is not None
        session.add(WebhookAttempt(delivery_id=delivery.id, at=now, status=503, milliseconds=312, answer="<b>no</b>"))
        session.add(WebhookAttempt(delivery_id=delivery.id, at=now, milliseconds=15000, error="no answer in 15 s"))
        delivery.state, delivery.tries = "failed", 2
        event = session.get(OutboxMessage, delivery.event_id)
        assert event is not None
        assert event.public_id is not None
        return event_id(event.public_id), delivery.id


def _sold(session: Session, now: datetime) -> None:
    """A package that was bought once, for a wallet of its own."""
    make_usage_type(session, id="page", unit_name="pages")
    first = NewPackageVersion(amount=Decimal(100), price=Decimal("80.00"))
    what = {"id": "pages", "name": "100 <pages>", "unit_name": "pages", "usage_types": ["page"], "currency": "USD"}
    create_package(session, NewPackage(**what, first=first), actor="test", now=now)
    bought = NewPurchase(customer_id="user123", charge="paid", idempotency_key="one", reference="order 1")
    buy_package(session, "pages", bought, actor="test", now=now, grace=timedelta(hours=1))


def _prepaid(session: Session, now: datetime) -> tuple[UUID, str]:
    """A wallet with grants and a request, a meter with two definitions; returns the id of a grant and the wallet's."""
    new = NewMeter(id="tokens", unit_name="tokens", of="assessment", value="tokens", dimensions=["model"])
    create(session, new, actor="test", now=now)
    changes = UsageTypeChanges(definition=MeterChanges(given={"value": "input"}, effective_from=None))
    change(session, "tokens", changes, actor="test", now=now)
    wanted = NewWallet(id="w-1", customer_id="user123", unit_name="assessment", usage_types=["assessment"])
    wallet = create_wallet(session, wanted, actor="test", now=now)
    asked = NewGrant(amount=Decimal(1000), idempotency_key="one", cost=Decimal("80.00"))
    grant, _ = make_grant(session, wallet.id, asked, actor="test", now=now, grace=timedelta(hours=1))
    set_rule(session, wallet.id, NewRule(below=Decimal(5000), up_to=Decimal(6000)), actor="test", now=now)
    recurs = NewSchedule(amount=Decimal(250), idempotency_key="one", every=Interval(interval="month"), until_next=True)
    make_schedule(session, wallet.id, recurs, actor="test", now=now, grace=timedelta(hours=1))
    return grant.id, wallet.id
