"""Events over HTTP: the oldest first, by a cursor that misses none."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As
from tests.support.callers import Keys
from tests.support.events import relayed
from usage_billing.db.session import transaction
from usage_billing.outbox.service import Fact, tell


@pytest.fixture
def events(app: object, admin: FlaskClient, engine: Engine) -> list[dict[str, Any]]:
    """Five events: of two types, about two customers and about none."""
    facts = [("invoice.paid", "a"), ("invoice.paid", "b"), ("run.finished", None), ("invoice.voided", "a")]
    with transaction(engine) as session:
        tell(session, [Fact(topic, str(n), {"n": n}, customer) for n, (topic, customer) in enumerate(facts)])
        tell(session, [Fact("invoice.paid", "5", {"n": 5}, "a")])
    relayed(engine)
    found: list[dict[str, Any]] = admin.get("/api/events").json["data"]
    return found


def ns(client: FlaskClient, query: str) -> list[int]:
    return [one["data"]["n"] for one in client.get(f"/api/events?{query}").json["data"]]


def test_they_stand_in_their_order_and_are_shown_by_their_ids(admin: FlaskClient, events: list[dict[str, Any]]) -> None:
    assert [one["data"]["n"] for one in events] == [0, 1, 2, 3, 5]
    assert [one["sequence"] for one in events] == [1, 1, None, 2, 3]
    for event in events:
        assert admin.get(f"/api/events/{event['id']}").json == event


def test_a_list_is_narrowed_and_goes_on_after_an_event(admin: FlaskClient, events: list[dict[str, Any]]) -> None:
    assert ns(admin, "types=invoice.paid") == [0, 1, 5]
    assert ns(admin, "types=invoice.voided,run.finished") == [2, 3]
    assert ns(admin, "userId=a") == [0, 3, 5]
    assert ns(admin, f"after={events[2]['id']}") == [3, 5]
    assert ns(admin, f"after={events[4]['id']}") == []
    page = admin.get(f"/api/events?after={events[0]['id']}&limit=2").json
    assert ns(admin, f"after={events[0]['id']}&limit=2&cursor={page['nextCursor']}") == [3, 5]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("types=invoice.sent", 422, "unknown_event_type"),
        ("types=", 422, "unknown_event_type"),
        ("after=evt_00000000000000000000000000000000", 422, "unknown_event"),
        ("after=7", 422, "unknown_event"),
        ("cursor=x", 400, "bad_cursor"),
        ("page=2", 422, "unknown"),
        ("limit=0", 422, "out_of_range"),
    ],
)
def test_what_cannot_be_asked_is_refused(admin: FlaskClient, query: str, status: int, code: str) -> None:
    answer = admin.get(f"/api/events?{query}")
    assert answer.status_code == status
    assert code in {answer.json["code"], *(field["code"] for field in answer.json.get("errors", ()))}, answer.json


@pytest.mark.parametrize("id", ["evt_00000000000000000000000000000000", "evt_x", "x", "EVT_00"])
def test_an_event_that_is_not_there_is_not_found(admin: FlaskClient, id: str) -> None:
    assert admin.get(f"/api/events/{id}").status_code == 404


def test_the_scope_opens_events_and_nothing_else(call_as: As, keys: Keys, events: list[dict[str, Any]]) -> None:
    caller = call_as(keys.of("webhooks:manage"))
    assert ns(caller, "") == [0, 1, 2, 3, 5]
    assert caller.get("/api/customers").status_code == 403
    assert call_as(keys.of("usage:read")).get("/api/events").status_code == 403
