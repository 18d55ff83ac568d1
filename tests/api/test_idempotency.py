"""``Idempotency-Key`` on administrators' requests: sent again, done once."""

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api import idempotency
from api.ingest.routes import CLOUD_EVENTS, RECORDING_ROUTES
from tasks.housekeeping import prune
from tests.conftest import As, Clock
from tests.support.callers import Keys
from usage_billing.access.admin_requests import KeyedRequest, is_alone, prune_requests
from usage_billing.db.session import read_only, transaction

GOLD: dict[str, Any] = {"id": "gold", "name": "Gold", "currency": "USD"}
KEY = {"Idempotency-Key": "made once, ~"}
SUB = "/api/subscriptions/sub456"


def count(engine: Engine, table: str) -> int:
    with read_only(engine) as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


def test_a_request_sent_again_is_done_once_and_answered_as_it_was(admin: FlaskClient, engine: Engine) -> None:
    first = admin.post("/api/plans", json=GOLD, headers=KEY)
    noted = count(engine, "audit_log")
    again = admin.post("/api/plans", json=GOLD, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.get_data() == first.get_data()
    assert (again.mimetype, again.headers["Idempotent-Replayed"]) == ("application/json", "true")
    assert "Idempotent-Replayed" not in first.headers
    assert count(engine, "audit_log") == noted
    assert admin.post("/api/plans", json=GOLD).json["code"] == "already_exists"


def test_three_times_the_same_change_is_one(world: object, admin: FlaskClient, engine: Engine, clock: Clock) -> None:
    admin.post("/api/plans", json=GOLD)
    for _ in range(3):
        clock.advance(seconds=1)
        assert admin.post(f"{SUB}/change-plan", json={"planId": "gold"}, headers=KEY).status_code == 200
    assert count(engine, "subscription_terms") == 2


@pytest.mark.parametrize("step", ["pause", "cancel", "resume"])
def test_a_request_without_a_body_takes_a_key(world: object, admin: FlaskClient, step: str) -> None:
    answers = [admin.post(f"{SUB}/{step}", headers=KEY).get_data() for _ in range(2)]
    if step != "resume":
        assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("post", "/api/plans", GOLD | {"name": "Silver"}), ("patch", "/api/plans/gold", {"name": "Gold"})],
    ids=["another body", "another address"],
)
def test_a_key_stands_for_one_request(admin: FlaskClient, method: str, path: str, body: dict[str, Any]) -> None:
    admin.post("/api/plans", json=GOLD, headers=KEY)
    answer = getattr(admin, method)(path, json=body, headers=KEY)
    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused")


def test_a_key_is_its_credentials(admin: FlaskClient, call_as: As, keys: Keys) -> None:
    admin.post("/api/plans", json=GOLD, headers=KEY)
    other = call_as(keys.issue("admin", "billing:run"))
    assert other.post("/api/plans", json=GOLD | {"id": "silver"}, headers=KEY).status_code == 201


def test_what_was_refused_may_be_tried_again(admin: FlaskClient, engine: Engine) -> None:
    user = {"id": "ann", "name": "Ann"}
    subscription = {"id": "s1", "userId": "ann", "planId": "gold", "startedAt": "2026-01-01T00:00:00Z"}
    refused = admin.post("/api/subscriptions", json=subscription, headers=KEY)
    assert (refused.status_code, count(engine, "admin_requests")) == (422, 0)
    for path, body in (("/api/plans", GOLD), ("/api/customers", user)):
        assert admin.post(path, json=body).status_code == 201
    assert admin.post("/api/subscriptions", json=subscription, headers=KEY).status_code == 201


def test_while_the_first_is_under_way_the_second_is_told_so(
    admin: FlaskClient, engine: Engine, app: Flask, keys: Keys
) -> None:
    prefix = keys.admin.rpartition("_")[0][: len("ub_12345678")]
    request = KeyedRequest.of(credential=f"key:{prefix}", key=KEY["Idempotency-Key"], asked=b"")
    with transaction(engine) as session:
        assert is_alone(session, request)
        answer = admin.post("/api/plans", json=GOLD, headers=KEY)
        assert (answer.status_code, answer.json["code"]) == (409, "in_progress")
        assert int(answer.headers["Retry-After"]) >= 1
    assert admin.post("/api/plans", json=GOLD, headers=KEY).status_code == 201


def test_of_many_at_once_one_does_it(app: Flask, keys: Keys, engine: Engine) -> None:
    codes: list[int] = []

    def send() -> None:
        caller = app.test_client()
        answer = caller.post("/api/customers", json={"id": "ann", "name": "Ann"},
                             headers=KEY | {"x-api-key": keys.admin})  # fmt: skip
        codes.append(answer.status_code)

    assert keys.admin
    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {201, 409}
    assert 201 in codes
    assert count(engine, "customers") == 1


@pytest.mark.parametrize("step", ["create", "rotate"])
def test_a_secret_is_given_again_once(admin: FlaskClient, engine: Engine, step: str) -> None:
    body = {"name": "mine", "scopes": ["usage:read"]}
    path = "/api/api-keys"
    if step == "rotate":
        path = f"/api/api-keys/{admin.post(path, json=body).json['id']}/rotate"
        body = {}
    first = admin.post(path, json=body, headers=KEY)
    secret = first.json["key"]
    with read_only(engine) as session:
        stored = bytes(session.execute(text("SELECT body FROM admin_requests")).scalar_one())
    assert secret.encode() not in stored
    assert admin.post(path, json=body, headers=KEY).json == first.json
    third = admin.post(path, json=body, headers=KEY)
    assert (third.status_code, third.json["code"]) == (409, "secret_already_given")
    with read_only(engine) as session:
        assert session.execute(text("SELECT body FROM admin_requests")).scalar_one() is None


def test_after_a_day_the_key_is_free(admin: FlaskClient, clock: Clock, engine: Engine) -> None:
    ann = {"id": "ann", "name": "Ann"}
    assert admin.post("/api/customers", json=ann, headers=KEY).status_code == 201
    clock.advance(hours=24)
    assert admin.post("/api/customers", json=ann, headers=KEY).json["code"] == "already_exists"
    assert admin.post("/api/customers", json={"id": "bob", "name": "Bob"}, headers=KEY).status_code == 201


def test_what_is_older_than_a_day_is_forgotten(admin: FlaskClient, clock: Clock, engine: Engine) -> None:
    admin.post("/api/plans", json=GOLD, headers=KEY)
    with transaction(engine) as session:
        assert prune_requests(session, now=clock.now) == 0
        clock.advance(hours=25)
        assert prune_requests(session, now=clock.now) == 1
    prune()
    assert count(engine, "admin_requests") == 0


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "a\tb"], ids=["empty", "256", "not ASCII", "a control"])
def test_a_key_is_1_to_255_printable_characters(admin: FlaskClient, engine: Engine, key: str) -> None:
    answer = admin.post("/api/plans", json=GOLD, environ_overrides={"HTTP_IDEMPOTENCY_KEY": key})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")
    assert count(engine, "plans") == count(engine, "admin_requests") == 0
    assert admin.post("/api/plans", json=GOLD, headers={"Idempotency-Key": "k" * 255}).status_code == 201


def test_every_route_that_changes_something_takes_one(app: Flask, client: FlaskClient) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    for path, item in paths.items():
        for method, operation in item.items():
            if method.upper() in idempotency.METHODS:
                named = [one for one in operation.get("parameters", []) if one.get("name") == "Idempotency-Key"]
                assert len(named) == (path not in {"/api/usage/record/batch", CLOUD_EVENTS}), (method, path)
                if path not in RECORDING_ROUTES:
                    assert named[0]["schema"]["maxLength"] == 255


def test_a_run_is_started_after_it_is_there(world: object, admin: FlaskClient, engine: Engine,
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    seen: list[int] = []
    monkeypatch.setattr("api.enqueue.start_run", lambda _: seen.append(count(engine, "billing_runs")))
    assert admin.post("/api/usage/process-billing", json={}, headers=KEY).status_code == 202
    assert seen == [1]
