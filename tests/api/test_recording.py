"""Recording usage: accepted at once, counted by the workers, once."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from tasks.inbox.protocol import Inbox, Limits
from tests.api.conftest import EVENT
from tests.conftest import Clock, Drain
from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import Recording

pytestmark = pytest.mark.usefixtures("world")


def test_the_founding_documents_example_is_accepted_and_counted(
    writer: FlaskClient, reader: FlaskClient, drain: Drain
) -> None:
    answer = writer.post("/api/usage/record", json=EVENT)
    assert answer.status_code == 202
    assert answer.json is not None
    assert answer.json.keys() == {"id", "status"}
    assert answer.json["status"] == "accepted"
    url = f"/api/usage/records/{answer.json['id']}"
    assert reader.get(url).json["status"] == "accepted"
    assert drain() == 1
    shown = reader.get(url).json
    assert shown["status"] == "recorded"
    assert (shown["quantity"], shown["withinLimit"], shown["beyondLimit"]) == ("1", "1", "0")


@pytest.mark.parametrize(
    ("spelled", "counted"),
    [("0.1", "0.1"), ('"0.1"', "0.1"), ("1e3", "1000"), ("1.50", "1.5"), ("1000000000000000", "1" + "0" * 15)],
)
def test_a_quantity_is_the_decimal_that_it_spells(
    writer: FlaskClient, reader: FlaskClient, drain: Drain, spelled: str, counted: str
) -> None:
    body = f'{{"userId":"user123","subscriptionId":"sub456","usageType":"assessment","quantity":{spelled}}}'
    answer = writer.post("/api/usage/record", data=body, content_type="application/json")
    drain()
    assert reader.get(f"/api/usage/records/{answer.json['id']}").json["quantity"] == counted


def test_the_same_key_counts_once(writer: FlaskClient, reader: FlaskClient, drain: Drain) -> None:
    first = writer.post("/api/usage/record", json=EVENT | {"idempotencyKey": "k-1"}).json
    again = writer.post("/api/usage/record", json=EVENT, headers={"Idempotency-Key": "k-1"}).json
    other = writer.post("/api/usage/record", json=EVENT | {"quantity": 2, "idempotencyKey": "k-1"}).json
    elsewhere = writer.post("/api/usage/record", json=EVENT | {"source": "b", "idempotencyKey": "k-1"}).json
    drain()
    states = {
        name: reader.get(f"/api/usage/records/{answer['id']}").json
        for name, answer in {"first": first, "again": again, "other": other, "elsewhere": elsewhere}.items()
    }
    assert states["first"]["status"] == "recorded"
    assert states["again"]["status"] == "duplicate"
    assert states["again"]["duplicateOf"] == first["id"]
    assert states["other"]["status"] == "quarantined"
    assert states["other"]["reason"] == "conflicting_duplicate"
    assert states["elsewhere"]["status"] == "recorded"


def test_a_time_given_is_when_it_occurred(writer: FlaskClient, reader: FlaskClient, drain: Drain) -> None:
    event = EVENT | {"timestamp": "2026-10-31T23:30:00-02:00"}
    answer = writer.post("/api/usage/record", json=event).json
    drain()
    assert reader.get(f"/api/usage/records/{answer['id']}").json["timestamp"] == "2026-11-01T01:30:00Z"


def test_a_batch_is_accepted_whole(writer: FlaskClient, reader: FlaskClient, inbox: Inbox, drain: Drain) -> None:
    events = [EVENT | {"idempotencyKey": f"k-{index}"} for index in range(200)]
    answer = writer.post("/api/usage/record/batch", json={"events": events})
    assert answer.status_code == 202
    assert answer.json["accepted"] == len(set(answer.json["ids"])) == 200
    assert inbox.waiting() == 200
    assert drain() == 200
    shown = reader.get("/api/usage/subscription/sub456").json["usage"]
    assert [line["used"] for line in shown] == ["200"]


def test_what_cannot_be_counted_is_accepted_and_quarantined(
    writer: FlaskClient, reader: FlaskClient, drain: Drain
) -> None:
    wrong = {
        "unknown_subscription": {"subscriptionId": "nobody"},
        "unknown_usage_type": {"usageType": "nothing"},
        "wrong_customer": {"userId": "somebody-else"},
        "outside_subscription": {"timestamp": "2001-01-01T00:00:00Z"},
    }
    answers = {reason: writer.post("/api/usage/record", json=EVENT | part).json for reason, part in wrong.items()}
    drain()
    for reason, answer in answers.items():
        shown = reader.get(f"/api/usage/records/{answer['id']}").json
        assert (shown["status"], shown["reason"], shown["resolution"]) == ("quarantined", reason, "open")


def test_metadata_is_kept_exactly(writer: FlaskClient, reader: FlaskClient, drain: Drain) -> None:
    metadata = '{"b": [1, 0.12345678901234567890123, "é\\ud83d\\ude00"], "a": {"deep": null}}'
    body = f'{{"userId":"user123","subscriptionId":"sub456","usageType":"report","quantity":1,"metadata":{metadata}}}'
    assert writer.post("/api/usage/record", data=body, content_type="application/json").status_code == 202
    drain()
    answer = reader.get("/api/usage/subscription/sub456/records")
    assert '0.12345678901234567890123, "é😀"' in answer.get_data(as_text=True)


def test_recording_needs_no_database(
    writer: FlaskClient, clock: Clock, monkeypatch: pytest.MonkeyPatch, app: Any, inbox: Inbox
) -> None:
    from api.state import state_of

    assert writer.post("/api/usage/record", json=EVENT).status_code == 202

    def gone(_: str) -> None:
        raise Unavailable("the database does not answer", code="database_unavailable")

    keys = state_of(app).keys
    monkeypatch.setattr(keys, "_load", gone)
    monkeypatch.setattr(keys, "_fresh_seconds", 0)
    assert writer.post("/api/usage/record", json=EVENT).status_code == 202
    assert writer.get("/api/customers").status_code == 503
    assert inbox.waiting() == 2


def test_a_full_inbox_says_so(app: Any, writer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    door = app.extensions["usage_billing.enqueue"]
    monkeypatch.setattr(door.inbox, "_limits", Limits(0, 10**9))
    answer = writer.post("/api/usage/record", json=EVENT)
    assert (answer.status_code, answer.json["code"]) == (503, "backlog_full")
    assert int(answer.headers["Retry-After"]) > 0


def test_received_is_when_the_api_had_it(writer: FlaskClient, inbox: Inbox, now: datetime) -> None:
    answer = writer.post("/api/usage/record", json=EVENT).json
    waiting = inbox.find(UUID(answer["id"]))
    assert isinstance(waiting, Recording)
    assert (waiting.received_at, waiting.occurred_at, waiting.timed) == (now, now, False)
