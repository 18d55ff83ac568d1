"""Each change of a subscription, an invoice, a run and quarantine leaves a fact with the thing as the API shows it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_recording, record
from tests.money.house import House, day, make_house
from tests.support.books import rows, scalars
from usage_billing.db.session import transaction
from usage_billing.flows.administration import change_subscription

DOLLAR = {"model": "per_unit", "unitPrice": "1"}


@pytest.fixture
def house(engine: Engine) -> House:
    return make_house(engine)


def facts(house: House, since: int = 0) -> list[tuple[str, Any]]:
    found = rows(house.engine, "SELECT topic, payload FROM outbox_messages ORDER BY id")
    return [(row.topic, row.payload) for row in found][since:]


def take_back(house: House, at: datetime) -> None:
    with transaction(house.engine) as session:
        planned = session.scalar(text("SELECT max(id) FROM subscription_changes WHERE taken_back_at IS NULL"))
        change_subscription.take_back(session, "s", planned or 0, actor="test", now=at)


def test_every_change_of_a_subscription_is_told(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.subscribe()
    house.change("change_plan", at=day(2), plan_id="b")
    house.change("pause", at=day(3))
    house.change("resume", at=day(4))
    house.change("cancel", at=day(5), when="period_end")
    take_back(house, day(6))
    house.change("pause", at=day(7))
    house.change("pause", at=day(8))  # changes nothing, and is not told
    house.change("cancel", at=day(9))
    told = facts(house)
    assert [topic for topic, _ in told] == [
        "subscription.created",
        "subscription.changed",
        "subscription.paused",
        "subscription.resumed",
        "subscription.changed",
        "subscription.changed",
        "subscription.paused",
        "subscription.cancelled",
    ]
    bodies = [fact["subscription"] for _, fact in told]
    assert [body["planId"] for body in bodies] == ["a"] + ["b"] * 7
    assert bodies[4]["scheduled"][0]["kind"] == "end"
    assert (bodies[4]["endedAt"], bodies[5]["endedAt"]) == ("2026-02-01T00:00:00Z", None)
    assert told[-1][1]["effectiveAt"] == bodies[-1]["endedAt"] == "2026-01-09T00:00:00Z"


def test_every_step_of_an_invoice_and_the_end_of_a_run_are_told(house: House) -> None:
    house.plan("a", fee="30")
    house.quota("a", "0", DOLLAR)
    for number, name in enumerate(("s", "t", "u")):
        house.subscribe(name)
        house.use(1 + number, at=day(3), name=name)
    after = len(facts(house))
    house.bill(day(1, month=2) + timedelta(hours=2))
    (*finals, run) = [one for one in facts(house, after) if one[0] != "quota.exceeded"]
    assert sorted(topic for topic, _ in finals) == ["invoice.created"] * 6 + ["invoice.finalized"] * 3
    drafts = [fact["invoice"] for topic, fact in finals if topic == "invoice.created"]
    assert {(draft["status"], draft["number"]) for draft in drafts} == {("draft", None)}
    assert sorted(draft["total"] for draft in drafts) == ["30.00", "30.00", "30.00", "31.00", "32.00", "33.00"]
    finals = [one for one in finals if one[0] == "invoice.finalized"]
    assert (run[0], run[1]["run"]["status"], run[1]["run"]["finalized"]) == ("run.finished", "completed", 3)
    body = finals[0][1]["invoice"]
    assert (body["status"], body["number"]) == ("finalized", "INV-00000001")
    assert (body["total"], body["itemCount"]) == ("31.00", 2)
    assert (body["itemsUrl"], "items" in body) == (f"/api/invoices/{body['id']}/items", False)
    assert (body["amountDue"], body["dueAt"] is None, body["finalizedAt"] is None) == ("31.00", False, False)
    ids = scalars(house.engine, "SELECT id FROM invoices WHERE status = 'finalized' ORDER BY number")
    after = len(facts(house))
    for what, id in zip(("pay", "void", "give_up"), ids, strict=True):
        house.by_hand(what, id)
    told = [(topic, fact["invoice"]["status"]) for topic, fact in facts(house, after)]
    assert told == [("invoice.paid", "paid"), ("invoice.voided", "void"), ("invoice.uncollectible", "uncollectible")]


def test_a_dry_run_tells_nothing(house: House) -> None:
    house.plan("a", fee="30")
    house.subscribe()
    after = len(facts(house))
    house.bill(day(1, month=2) + timedelta(hours=2), dry_run=True)
    assert facts(house, after) == []


def test_quarantine_is_told_once_for_each_reason_of_a_batch(house: House) -> None:
    house.plan("a")
    house.subscribe()
    after = len(facts(house))
    strangers = [
        make_recording(now=day(3), quantity=1, customer="ann", subscription="s", usage_type=name, occurred_at=day(3))
        for name in ("fax", "telex")
    ]
    early = make_recording(
        now=day(3), quantity=1, customer="ann", subscription="s", usage_type="calls", occurred_at=day(1, year=2025)
    )
    for _ in range(2):  # a batch that comes again
        with transaction(house.engine) as session:
            record(session, *strangers, early)
    assert facts(house, after) == [
        ("recording.quarantined", {"reason": "unknown_usage_type", "count": 2}),
        ("recording.quarantined", {"reason": "outside_subscription", "count": 1}),
    ]
