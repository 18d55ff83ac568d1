"""Events as other programs send them, recorded as our own format would record them."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api import idempotency
from api.state import state_of
from tests.api.conftest import EVENT as NATIVE
from tests.conftest import As
from tests.support.callers import Keys
from usage_billing.db.session import read_only

pytestmark = pytest.mark.usefixtures("world")

ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "svc",
    "type": "assessment",
    "subject": "user123",
    "time": "2026-11-01T12:00:00.123456Z",
    "data": {"tokens": 15, "cost": 0.1},
}


def in_the_books(engine: Engine) -> list[Any]:
    """What is recorded, oldest first."""
    statement = "SELECT subscription_id, usage_type_id, source, idempotency_key, quantity, metadata, occurred_at"
    with read_only(engine) as session:
        return list(session.execute(text(f"{statement} FROM usage ORDER BY id")).mappings())


def quarantined(engine: Engine) -> list[tuple[str, str]]:
    """Reason and detail of what is in quarantine."""
    with read_only(engine) as session:
        rows = session.execute(text("SELECT reason, detail FROM quarantined_usage ORDER BY id"))
        return [(row.reason, row.detail) for row in rows]


def test_a_cloudevent_is_the_recording_of_its_facts(
    writer: FlaskClient, drain: Callable[[], Any], engine: Engine
) -> None:
    answer = writer.post("/api/ingest/cloudevents", data=json.dumps(EVENT), content_type=ONE)
    assert (answer.status_code, answer.json["accepted"]) == (202, 1)  # type: ignore[index]
    drain()
    [row] = in_the_books(engine)
    assert (row["subscription_id"], row["usage_type_id"], row["quantity"]) == ("sub456", "assessment", 1)
    assert (row["source"], row["idempotency_key"]) == ("svc", "e1")
    assert row["metadata"] == {"cost": 0.1, "tokens": 15}
    assert row["occurred_at"] == datetime.fromisoformat("2026-11-01T12:00:00.123456+00:00")


def test_sent_again_it_counts_once(writer: FlaskClient, drain: Callable[[], Any], engine: Engine) -> None:
    for _ in range(2):
        writer.post("/openmeter/api/v1/events", data=json.dumps([EVENT, EVENT]), content_type=BATCH)
        drain()
    assert len(in_the_books(engine)) == 1
    assert quarantined(engine) == []


def test_a_batch_with_bad_events_keeps_the_good(writer: FlaskClient, drain: Callable[[], Any], engine: Engine) -> None:
    bad = [{**EVENT, "id": "e2", "time": "yesterday"}, 7, {"id": "e3"}]
    answer = writer.post("/openmeter/api/v1/events", json=[EVENT, *bad])
    assert (answer.status_code, answer.data) == (204, b"")
    drain()
    assert len(in_the_books(engine)) == 1
    assert quarantined(engine) == [
        ("broken_payload", "event 1: time must be an RFC 3339 time such as 2026-01-31T12:00:00Z"),
        ("broken_payload", "event 2: must be an object"),
        ("broken_payload", "event 3: specversion is required"),
    ]


def test_attributes_may_be_headers(writer: FlaskClient, drain: Callable[[], Any], engine: Engine) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "e%201", "ce-source": "svc", "ce-type": "assessment"}
    headers |= {"ce-subject": "sub456", "ce-time": "2026-11-01T14:00:00+02:00"}
    answer = writer.post("/api/ingest/cloudevents", data=b'{"tokens": 1e-07}', headers=headers)
    assert answer.status_code == 202, answer.text
    drain()
    [row] = in_the_books(engine)
    assert (row["idempotency_key"], row["subscription_id"]) == ("e 1", "sub456")
    assert row["occurred_at"] == datetime.fromisoformat("2026-11-01T12:00:00+00:00")


@pytest.mark.parametrize("timestamp", ["1762000000", 1762000000, "1762000000.5", None, "2026-11-01T12:00:00Z"])
def test_lagos_events(writer: FlaskClient, drain: Callable[[], Any], engine: Engine, timestamp: Any) -> None:
    event = {"transaction_id": "t1", "external_subscription_id": "sub456", "code": "assessment"}
    event |= {"timestamp": timestamp, "precise_total_amount_cents": None, "properties": {"gb": 10}}
    answer = writer.post("/lago/api/v1/events", json={"event": event})
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["event"]["transaction_id"] == "t1"
    batch = writer.post("/lago/api/v1/events/batch", json={"events": [event, {**event, "transaction_id": "t2"}]})
    assert batch.status_code == 200
    drain()
    keys = [row["idempotency_key"] for row in in_the_books(engine)]
    assert keys == (["t1", "t2"])
    assert quarantined(engine) == []


def test_milliseconds_are_not_guessed(writer: FlaskClient, drain: Callable[[], Any], engine: Engine) -> None:
    event = {"transaction_id": "t1", "external_subscription_id": "sub456", "code": "assessment"}
    answer = writer.post("/lago/api/v1/events", json={"event": event | {"timestamp": "1762000000000"}})
    assert (answer.status_code, answer.json) == (200, {})
    drain()
    [(reason, detail)] = quarantined(engine)
    assert (reason, detail) == ("broken_payload", "event 0: timestamp must be in seconds since 1970")


def test_stripes_meter_events(writer: FlaskClient, drain: Callable[[], Any], engine: Engine) -> None:
    form = {"event_name": "assessment", "payload[value]": "1E+1", "payload[stripe_customer_id]": "user123"}
    form |= {"payload[model]": "gpt", "identifier": "id-1", "timestamp": "1793966400"}
    for prefix in ("", "/stripe"):
        answer = writer.post(f"{prefix}/v1/billing/meter_events", data=form)
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        assert (answer.json["object"], answer.json["payload"]["value"]) == ("billing.meter_event", "10")
    v2 = {"event_name": "assessment", "payload": {"value": "2.5", "stripe_customer_id": "user123"}}
    for _ in range(2):
        again = writer.post("/v2/billing/meter_events", json=v2, headers={"Idempotency-Key": "k-7"})
        assert again.status_code == 200, again.text
    drain()
    rows = in_the_books(engine)
    assert [(row["idempotency_key"], row["quantity"]) for row in rows] == [("id-1", 10), ("k-7", Decimal("2.5"))], (
        quarantined(engine)
    )
    assert rows[0]["metadata"] == {"model": "gpt"}


@pytest.mark.parametrize(
    ("path", "form"),
    [("/openmeter/api/v1/nothing", "problem"), ("/lago/api/v1/nothing", "lago"), ("/stripe/v1/billing/x", "stripe")],
)
def test_what_is_not_served_is_said_in_their_form(writer: FlaskClient, path: str, form: str) -> None:
    answer = writer.get(path)
    assert answer.status_code == 404
    assert answer.json is not None
    code = {"problem": "code", "lago": "code", "stripe": "error"}[form]
    assert code in answer.json
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [("/openmeter/api/v1/events", "["), ("/lago/api/v1/events", "{"), ("/v2/billing/meter_events", "")],
)
def test_only_an_unreadable_body_is_refused(writer: FlaskClient, path: str, body: str) -> None:
    answer = writer.post(path, data=body, content_type="application/json")
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("path", ["/openmeter/api/v1/events", "/lago/api/v1/events", "/stripe/v1/billing/meter_events"])
def test_a_wrong_key_is_told_in_their_form(app: Any, path: str) -> None:
    answer = app.test_client().post(path, json={}, headers={"Authorization": "Bearer nothing-of-ours"})
    assert answer.status_code == 401
    told = {"openmeter": "code", "lago": "error", "stripe": "error"}[path.split("/")[1]]
    assert told in answer.json


def test_a_cancelled_meter_event_is_taken_back_once(
    writer: FlaskClient, drain: Callable[[], Any], engine: Engine
) -> None:
    event = {"event_name": "assessment", "payload": {"value": "5", "stripe_customer_id": "user123"}}
    writer.post("/v2/billing/meter_events", json=event | {"identifier": "id-1"})
    form = {"event_name": "assessment", "type": "cancel", "cancel[identifier]": "id-1"}
    waiting = writer.post("/v1/billing/meter_event_adjustments", data=form)
    assert (waiting.status_code, waiting.json["error"]["code"]) == (409, "still_waiting")  # type: ignore[index]
    drain()
    for _ in range(2):
        answer = writer.post("/stripe/v1/billing/meter_event_adjustments", data=form)
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        assert (answer.json["status"], answer.json["cancel"]) == ("complete", {"identifier": "id-1"})
    with read_only(engine) as session:
        assert session.scalars(text("SELECT total FROM usage_summaries")).all() == [0]
        assert session.scalars(text("SELECT count(*) FROM usage_voids")).one() == 1
    missing = writer.post("/v1/billing/meter_event_adjustments", data=form | {"cancel[identifier]": "id-2"})
    assert (missing.status_code, missing.json["error"]["code"]) == (400, "resource_missing")  # type: ignore[index]
    other = writer.post("/v1/billing/meter_event_adjustments", data=form | {"event_name": "report"})
    assert other.status_code == 400


def test_lagos_client_finds_its_event(writer: FlaskClient, drain: Callable[[], Any]) -> None:
    event = {"transaction_id": "t1", "external_subscription_id": "user123", "code": "assessment"}
    writer.post("/lago/api/v1/events", json={"event": event | {"properties": {"gb": 1.5}}})
    before = writer.get("/lago/api/v1/events/t1")
    assert (before.status_code, before.json["code"]) == (404, "event_not_found")  # type: ignore[index]
    drain()
    found = writer.get("/lago/api/v1/events/t1").json
    assert found is not None
    assert (found["event"]["external_subscription_id"], found["event"]["properties"]) == ("sub456", {"gb": 1.5})


CUT = '{"specversion": "1.0", "id": "c", "source": "s", "type": "assessment", "subject": "x", "data": {"a": "\\ud83d"}}'
TWICE = '{"transaction_id": "t", "transaction_id": "u"}'


def test_half_a_character_spoils_its_own_event_alone(
    writer: FlaskClient, drain: Callable[[], Any], engine: Engine
) -> None:
    good = json.dumps(EVENT)
    for path in ("/api/ingest/cloudevents", "/openmeter/api/v1/events"):
        assert writer.post(path, data=CUT, content_type=ONE).status_code in {202, 204}
    answer = writer.post("/openmeter/api/v1/events", data=f"[{CUT}, {good}]", content_type=BATCH)
    assert answer.status_code == 204
    drain()
    assert [row["idempotency_key"] for row in in_the_books(engine)] == ["e1"]
    assert {reason for reason, _ in quarantined(engine)} == {"broken_payload"}


def test_a_name_given_twice_spoils_its_own_event_alone(
    writer: FlaskClient, drain: Callable[[], Any], engine: Engine
) -> None:
    good = json.dumps({"transaction_id": "t1", "external_subscription_id": "sub456", "code": "assessment"})
    body = f'{{"events": [{TWICE}, {good}, {{"code": "\\ud83d"}}]}}'
    answer = writer.post("/lago/api/v1/events/batch", data=body, content_type="application/json")
    assert answer.status_code == 200, answer.text
    one = writer.post("/lago/api/v1/events", data=f'{{"event": {TWICE}}}', content_type="application/json")
    assert (one.status_code, one.json) == (200, {})
    drain()
    assert [row["idempotency_key"] for row in in_the_books(engine)] == ["t1"]
    assert len(quarantined(engine)) == 3


@pytest.mark.parametrize(
    "body", ['{"events": []', '{"events" []}', '{"events": [1,]}', "[]", '{"events": 1, "events": 2}']
)
def test_a_body_that_cannot_be_cut_is_refused(writer: FlaskClient, body: str) -> None:
    answer = writer.post("/lago/api/v1/events/batch", data=body, content_type="application/json")
    assert answer.status_code == 400, answer.text


def test_a_header_that_is_no_utf_8_is_taken_as_it_is(writer: FlaskClient) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "e%FF1", "ce-source": "svc", "ce-type": "assessment"}
    answer = writer.post("/api/ingest/cloudevents", data=b"{}", headers=headers | {"ce-subject": "sub456"})
    assert answer.status_code == 202, answer.text


def test_a_key_takes_back_and_finds_what_came_with_it_alone(
    writer: FlaskClient, call_as: As, keys: Keys, drain: Callable[[], Any]
) -> None:
    writer.post("/api/usage/record", json=NATIVE | {"idempotencyKey": "theirs"})
    drain()
    other = call_as(keys.of("usage:write", "billing:run"))
    form = {"event_name": "assessment", "type": "cancel", "cancel[identifier]": "theirs"}
    assert other.get("/lago/api/v1/events/theirs").status_code == 404
    assert other.post("/v1/billing/meter_event_adjustments", data=form).status_code == 400
    admin = call_as(keys.admin)
    assert admin.get("/lago/api/v1/events/theirs").status_code == 200
    assert admin.post("/v1/billing/meter_event_adjustments", data=form).status_code == 200


@pytest.mark.parametrize("route", ["/openmeter/api/v1/events", "/api/ingest/cloudevents", "/lago/api/v1/events/batch"])
def test_a_request_of_more_events_than_are_taken_is_refused_whole(
    writer: FlaskClient, app: Any, nothing_changed: Callable[[], bool], route: str
) -> None:
    most = state_of(app).settings.max_batch
    events = [7] * (most + 1)
    answer = writer.post(route, json={"events": events} if "lago" in route else events)
    assert answer.status_code == (400 if "openmeter" in route else 422)
    assert f"at most {most} events" in answer.text or "out_of_range" in answer.text
    assert nothing_changed()


@pytest.mark.parametrize("key", ["", "a\tb", "\xff", "x" * 2000])
def test_a_header_that_is_no_key_is_refused(writer: FlaskClient, nothing_changed: Callable[[], bool], key: str) -> None:
    event = {"event_name": "assessment", "payload": {"value": "5", "stripe_customer_id": "user123"}}
    for more in ({}, {"identifier": "id-1"}):
        environ = {"HTTP_IDEMPOTENCY_KEY": key}
        answer = writer.post("/v2/billing/meter_events", json=event | more, environ_overrides=environ)
        assert answer.status_code == 400, answer.text
        assert answer.json is not None
        assert answer.json["error"]["message"].startswith("the header Idempotency-Key must be")
    assert nothing_changed()


def _by_its_output(events: list[Any]) -> bytes:
    """As the collector's ``openmeter`` output writes a batch: by Go's encoder, names sorted, then a newline."""
    text = json.dumps(events, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for sign in "&<>":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f"{text}\n".encode()


def _by_its_preset(events: list[Any]) -> bytes:
    """As the collector's preset writes one: each event as it came, between brackets."""
    return b"[" + b",".join(json.dumps(one).encode() for one in events) + b"]"


@pytest.mark.parametrize("spelled", [_by_its_output, _by_its_preset])
def test_the_collectors_batches_keep_their_good_events(
    writer: FlaskClient, drain: Callable[[], Any], engine: Engine, spelled: Callable[[list[Any]], bytes]
) -> None:
    """It sends arrays of up to a hundred as plain JSON, all of them again after an error, and none after a refusal.

    Both forms are read from its source at 7e57a39 (collector/benthos); the program itself was not run.
    """
    data = EVENT["data"] | {"path": "/a?b&c=<d>"}
    events: list[Any] = [{**EVENT, "id": f"e{number}", "data": data} for number in range(100)]
    events[50] = {**EVENT, "id": "e50", "type": "no such thing, for it has blanks"}
    for _ in range(2):
        answer = writer.post("/openmeter/api/v1/events", data=spelled(events), content_type="application/json")
        assert (answer.status_code, answer.data) == (204, b"")
        drain()
    assert {row["idempotency_key"] for row in in_the_books(engine)} == {f"e{n}" for n in range(100) if n != 50}
    assert len(in_the_books(engine)) == 99
    assert all(row["metadata"] == data for row in in_the_books(engine))
    assert {detail.partition(":")[0] for _, detail in quarantined(engine)} == {"event 50"}


@pytest.mark.parametrize(
    "path", ["/openmeter/api/v1/meters", "/lago/api/v1/billable_metrics", "/lago/api/v1/invoices",
             "/stripe/v2/billing/meter_event_stream"]
)  # fmt: skip
def test_a_throttled_caller_is_told_when_to_go_on_in_each_way(call_as: As, keys: Keys, path: str) -> None:
    caller = call_as(keys.issue("usage:write", "usage:read", rate_limit=1))

    def ask() -> Any:
        return caller.post(path, json={"events": []}) if "stripe" in path else caller.get(path)

    answers = [ask() for _ in range(3)]
    answer = answers[-1]
    assert answer.status_code == 429
    seconds = int(answer.headers["Retry-After"])
    assert 1 <= seconds <= 61
    assert answer.headers["x-ratelimit-limit"] == "1"
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert answer.headers["x-ratelimit-reset"] == str(seconds)
    assert answer.headers["Stripe-Should-Retry"] == "true"
    assert answer.headers["Content-Type"] == ("application/problem+json" if "openmeter" in path else "application/json")


def test_the_inbox_is_asked_before_a_transaction_begins(
    writer: FlaskClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe's clients send a key with each request, whose transaction is open as long as the view."""
    begun: list[str] = []
    real = idempotency.transaction

    def transaction_begins(engine: Engine) -> Any:
        begun.append("transaction")
        return real(engine)

    monkeypatch.setattr(idempotency, "transaction", transaction_begins)
    door = app.extensions["usage_billing.enqueue"].inbox
    monkeypatch.setattr(type(door), "waiting", lambda _: begun.append("inbox") or 0)
    form = {"event_name": "assessment", "type": "cancel", "cancel[identifier]": "id-1"}
    answer = writer.post("/v1/billing/meter_event_adjustments", data=form, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 400
    assert begun[0] == "inbox"
    assert "inbox" not in begun[1:]
