"""Who runs the service sees what others are not told."""

from sqlalchemy import Engine, text

from tests.support.receivers import Receiver, status
from tests.webhooks.conftest import World
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.delivering.listen import Listener
from usage_billing.flows.delivering.manage_endpoints import disable_endpoint
from usage_billing.outbox.service import Fact, tell
from usage_billing.reports.doctor.webhooks import check_webhooks
from usage_billing.reports.figures import load_figures
from usage_billing.webhooks.signing import make_secret


def codes(engine: Engine) -> list[str]:
    with read_only(engine) as session:
        return [finding.code for finding in check_webhooks(session)]


def test_doctor_and_figures_name_what_fails_what_is_disabled_and_what_waits(world: World, receiver: Receiver) -> None:
    assert codes(world.engine) == []
    world.endpoint(receiver)
    world.endpoint(receiver, "other")
    receiver.answer = status(500)
    world.tell("ann")
    world.send()
    assert codes(world.engine) == ["endpoint_failing"]
    with transaction(world.engine) as session:
        disable_endpoint(session, "other", actor="test", now=world.now())
        tell(session, [Fact("invoice.paid", "old", {})])
        session.execute(
            text("UPDATE outbox_messages SET created_at = now() - interval '5 minutes' WHERE position IS NULL")
        )
    assert codes(world.engine) == ["events_late", "endpoint_disabled", "endpoint_failing"]
    with read_only(world.engine) as session:
        figures = load_figures(session)
    assert figures.deliveries == {"waiting": 1, "held": 1}
    assert figures.endpoints == {"failing": 1, "disabled": 1}
    assert figures.events_waiting >= 1


def test_a_developer_hears_what_happens_from_now_on_and_it_is_forwarded(world: World, receiver: Receiver) -> None:
    world.tell("ann")
    listener = Listener(world.engine, url=receiver.url, secret=make_secret(), types=["invoice.paid"])
    assert list(listener.hear(now=world.now())) == []
    world.tell("ann", topic="invoice.voided")
    (id,) = world.tell("bob")
    (heard,) = listener.hear(now=world.now())
    assert (heard.type, heard.id, heard.answer) == ("invoice.paid", id, "answered 204")
    assert receiver.ids == [id]
    assert list(listener.hear(now=world.now())) == []
