"""``verify`` counts the numbers of events again, and finds out anew who is to be told of what."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.webhooks.conftest import SECRET, World
from tests.webhooks.test_deliveries import make_customer
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.delivering.manage_endpoints import (
    NewEndpoint,
    change_endpoint,
    create_endpoint,
    disable_endpoint,
)
from usage_billing.flows.delivering.send_again import resend_event
from usage_billing.reports.verify.events import event_differences

URL = "https://1.1.1.1/hooks"


def kinds(engine: Engine) -> list[str]:
    """What ``verify`` finds."""
    with read_only(engine) as session:
        return sorted({one.kind for one in event_differences(session)})


@pytest.fixture
def told(world: World) -> World:
    """Endpoints of each kind, chosen a while ago, and what they were told since; also some of before."""
    for name in ("ann", "bob"):
        make_customer(world, name)
    world.tell("ann", "bob", None)
    world.ahead = -timedelta(hours=1)
    world.endpoint(URL, "all")
    world.endpoint(URL, "paid", types=["invoice.paid", "endpoint.disabled"])
    world.endpoint(URL, "anns", customer_id="ann")
    world.endpoint(URL, "off")
    for id, to in (("ops", ["a@example.com", "b@example.com"]), ("customers", "customer")):
        types = ["*"] if id == "ops" else ["invoice.finalized"]
        new = NewEndpoint(id=id, kind="email", to=to, types=types)
        with transaction(world.engine) as session:
            create_endpoint(session, new, under=SECRET, actor="test", now=world.now())
    with transaction(world.engine) as session:
        disable_endpoint(session, "off", actor="test", now=world.now())
    # What was relayed before them has no deliveries, and need not.
    with transaction(world.engine) as session:
        session.execute(text("ALTER TABLE outbox_messages DISABLE TRIGGER USER"))
        session.execute(text("UPDATE outbox_messages SET relayed_at = relayed_at - interval '1 day'"))
        session.execute(text("ALTER TABLE outbox_messages ENABLE TRIGGER USER"))
    world.tell("ann", "bob", None, "ann")
    world.tell("bob", topic="invoice.voided")
    return world


def test_what_is_right_is_found_right(told: World) -> None:
    assert kinds(told.engine) == []
    (id,) = told.tell("ann", topic="invoice.voided")
    with transaction(told.engine) as session:
        resend_event(session, id, endpoint_id="paid", actor="test", now=told.now())
        change_endpoint(session, "paid", {"types": ["*"]}, actor="test", now=told.now() + timedelta(hours=1))
    assert kinds(told.engine) == []


SPOILT = {
    "an event is gone": ("DELETE FROM outbox_messages WHERE position = 5", {"event_gap", "event_sequence"}),
    "a position is another": ("UPDATE outbox_messages SET position = 99 WHERE position = 8", {"event_gap"}),
    "the first is gone": ("DELETE FROM outbox_messages WHERE position = 3", {"event_gap"}),
    "a sequence is another": ("UPDATE outbox_messages SET sequence = 9 WHERE position = 8", {"event_sequence"}),
    "a sequence is missing": ("UPDATE outbox_messages SET sequence = NULL WHERE position = 8", {"event_sequence"}),
    "a delivery is gone": (
        "DELETE FROM webhook_deliveries WHERE endpoint_id = 'paid' AND position = 4", {"event_untold"},
    ),
    "one that is held is gone": (
        "DELETE FROM webhook_deliveries WHERE endpoint_id = 'off' AND position = 5", {"event_untold"},
    ),
    "one of two addresses is gone": (
        "DELETE FROM webhook_deliveries WHERE recipient = 'b@example.com' AND position = 8", {"event_untold"},
    ),
    "a delivery is another customer's": (
        "UPDATE webhook_deliveries SET endpoint_id = 'anns' WHERE endpoint_id = 'all' AND position = 6",
        {"event_of_another", "event_untold"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_spoilt_is_named(told: World, what: str) -> None:
    statement, expected = SPOILT[what]
    with transaction(told.engine) as session:
        session.execute(text("ALTER TABLE outbox_messages DISABLE TRIGGER USER"))
        if statement.startswith("DELETE FROM outbox"):
            place = statement.rpartition(" ")[2]
            for table in ("webhook_deliveries", "event_bodies"):
                of = f"SELECT id FROM outbox_messages WHERE position = {place}"
                session.execute(text(f"DELETE FROM {table} WHERE event_id IN ({of})"))
        session.execute(text(statement))
        session.execute(text("ALTER TABLE outbox_messages ENABLE TRIGGER USER"))
    assert set(kinds(told.engine)) == expected
