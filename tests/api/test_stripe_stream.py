"""Stripe's sessions and stream of meter events: a token for 15 minutes, and many events with it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from api.state import state_of
from tests.api.test_foreign_events import in_the_books, quarantined
from tests.conftest import As, Clock, MakeToken
from tests.support.callers import Keys
from usage_billing.access.bounds import Bounds
from usage_billing.access.models import ApiKey
from usage_billing.access.service import revoke_key
from usage_billing.db.session import transaction

pytestmark = pytest.mark.usefixtures("world")

SESSION, STREAM = "/v2/billing/meter_event_session", "/v2/billing/meter_event_stream"
PAYLOAD = {"value": "2.5", "stripe_customer_id": "user123"}
EVENT: dict[str, Any] = {"event_name": "assessment", "payload": PAYLOAD, "timestamp": "2026-11-01T00:00:00.000Z"}


def opened(caller: FlaskClient, prefix: str = "") -> Any:
    answer = caller.post(prefix + SESSION, json={})
    assert answer.status_code == 200, answer.text
    return answer.json


@pytest.mark.parametrize("prefix", ["", "/stripe"])
def test_events_of_a_stream_are_recorded(
    writer: FlaskClient, call_as: As, drain: Callable[[], Any], engine: Engine, prefix: str
) -> None:
    made = opened(writer, prefix)
    assert made["object"] == "v2.billing.meter_event_session"
    stream = call_as(made["authentication_token"])
    events = [
        EVENT | {"identifier": "one"},
        EVENT | {"identifier": "bad", "payload": {}},
        EVENT | {"identifier": "two"},
    ]
    for _ in range(2):
        answer = stream.post(prefix + STREAM, json={"events": events})
        assert (answer.status_code, answer.json) == (200, {}), answer.text
    drain()
    assert [(row["idempotency_key"], str(row["quantity"])) for row in in_the_books(engine)] == [
        ("one", "2.500000000000"), ("two", "2.500000000000"),
    ]  # fmt: skip
    assert {detail for _, detail in quarantined(engine)} == {"event 1: payload[value] is required"}


def test_events_without_an_identifier_go_by_the_header_and_their_place(
    writer: FlaskClient, drain: Callable[[], Any], engine: Engine
) -> None:
    for _ in range(2):
        writer.post(STREAM, json={"events": [EVENT, EVENT]}, headers={"Idempotency-Key": "k"})
    writer.post(STREAM, json={"events": [EVENT]})
    drain()
    found = in_the_books(engine)
    assert [row["idempotency_key"] for row in found[:2]] == ["k:0", "k:1"]
    assert len(found) == 3


def test_the_longest_header_keeps_a_repeated_stream_from_counting_twice(
    writer: FlaskClient, drain: Callable[[], Any], engine: Engine
) -> None:
    for _ in range(2):
        answer = writer.post(STREAM, json={"events": [EVENT, EVENT]}, headers={"Idempotency-Key": "k" * 1024})
        assert answer.status_code == 200, answer.text
    drain()
    assert len({row["idempotency_key"] for row in in_the_books(engine)}) == len(in_the_books(engine)) == 2


def test_a_token_is_over_after_its_time(app: Any, writer: FlaskClient, call_as: As, clock: Clock) -> None:
    stream = call_as(opened(writer)["authentication_token"])
    clock.now += timedelta(minutes=14, seconds=59)
    state_of(app).keys.clear()
    assert stream.post(STREAM, json={"events": []}).status_code == 200
    clock.now += timedelta(seconds=1)
    state_of(app).keys.clear()
    answer = stream.post(STREAM, json={"events": []})
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"]["code"] == "billing_meter_event_session_expired"


def test_a_token_may_record_and_nothing_else(call_as: As, keys: Keys) -> None:
    stream = call_as(opened(call_as(keys.admin))["authentication_token"])
    assert stream.get("/api/customers").status_code == 403
    assert stream.get("/api/usage/user/user123").status_code == 403
    assert stream.post(SESSION, json={}).status_code == 403
    assert stream.post(STREAM, json={"events": [EVENT]}).status_code == 200


def test_an_administrator_without_a_key_has_none(call_as: As, make_token: MakeToken) -> None:
    answer = call_as(make_token(role="admin")).post(SESSION, json={})
    assert answer.status_code == 400, answer.text


def test_a_token_ends_with_its_key(app: Any, call_as: As, keys: Keys, engine: Engine, clock: Clock) -> None:
    key = keys.issue("usage:write")
    stream = call_as(opened(call_as(key))["authentication_token"])
    with transaction(engine) as session:
        row = session.scalars(select(ApiKey).order_by(ApiKey.number.desc()).limit(1)).one()
        revoke_key(session, row.id, now=clock.now)
    state_of(app).keys.clear()
    assert stream.post(STREAM, json={"events": []}).status_code == 401


def test_a_bound_key_has_a_bound_stream(call_as: As, keys: Keys, nothing_changed: Callable[[], bool]) -> None:
    bound = keys.issue("usage:write", bounds=Bounds(user_ids=frozenset({"another"})))
    stream = call_as(opened(call_as(bound))["authentication_token"])
    assert stream.post(STREAM, json={"events": [EVENT]}).status_code == 403
    assert nothing_changed()


@pytest.mark.parametrize(
    "body", [{}, {"events": None}, {"events": [EVENT], "more": 1}, {"events": {}}, {"events": [7] * 1001}]
)
def test_a_body_that_is_no_stream_is_refused(
    writer: FlaskClient, nothing_changed: Callable[[], bool], body: dict[str, Any]
) -> None:
    answer = writer.post(STREAM, json=body)
    assert answer.status_code == 400, answer.text
    assert "Retry-After" not in answer.headers
    assert nothing_changed()


def test_a_session_takes_no_fields(writer: FlaskClient) -> None:
    assert writer.post(SESSION, json={"livemode": False}).status_code == 400
