"""Changing plans, pausing, resuming and cancelling over HTTP, and the invoice that comes of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import As, Clock, MakeToken
from tests.factories import make_recording, record
from usage_billing.db.session import read_only, transaction

SUB = "/api/subscriptions/sub456"
NOW, PERIOD_END = "2026-11-15T12:30:45.123456Z", "2026-12-01T00:00:00Z"
START = "2020-01-01T00:00:00Z"


@pytest.fixture
def plans(world: object, admin: FlaskClient) -> None:
    """Beside business there are gold, with a base fee in advance, and euro."""
    gold = {"id": "gold", "name": "Gold", "currency": "USD", "baseFee": "30", "baseFeeTiming": "advance"}
    for plan in (gold, {"id": "euro", "name": "Euro", "currency": "EUR"}):
        assert admin.post("/api/plans", json=plan).status_code == 201


@pytest.fixture
def books(engine: Engine) -> Callable[[], list[Any]]:
    """What is agreed and noted: to be the same after a refusal."""

    def read() -> list[Any]:
        with read_only(engine) as session:
            terms = session.execute(text("SELECT plan_id, starts_at, ends_at, paused FROM subscription_terms")).all()
            return [*terms, session.scalar(text("SELECT count(*) FROM audit_log"))]

    return read


def term(plan: str, start: str, end: str | None = None, *, paused: bool = False) -> dict[str, Any]:
    return {"planId": plan, "startsAt": start, "endsAt": end, "paused": paused}


@pytest.mark.parametrize(
    ("at", "when"),
    [({}, NOW), ({"at": "now"}, NOW), ({"at": "period_end"}, PERIOD_END), ({"at": "2026-11-20T01:00:00+01:00"}, None)],
    ids=["default", "now", "period_end", "an instant"],
)
def test_a_plan_is_changed(plans: None, admin: FlaskClient, at: dict[str, str], when: str | None) -> None:
    when = when or "2026-11-20T00:00:00Z"
    moved = admin.post(f"{SUB}/change-plan", json={"planId": "gold"} | at)
    assert moved.status_code == 200, moved.json
    assert moved.json["terms"] == [term("business", START, when), term("gold", when)]
    shown = dict(moved.json)
    told = {name: shown.pop(name) for name in ("effectiveAt", "changed", "voidedRecordings", "own")}
    own = {"quotas": [], "baseFee": None}
    assert told == {"effectiveAt": when, "changed": True, "voidedRecordings": 0, "own": own}
    assert admin.get(SUB).json == shown
    assert admin.get("/api/subscriptions").json["data"] == [shown]
    assert shown["planId"] == ("gold" if when == NOW else "business")


def test_it_is_paused_resumed_and_cancelled(plans: None, admin: FlaskClient, clock: Clock) -> None:
    assert admin.post(f"{SUB}/pause").json["terms"][-1] == term("business", NOW, paused=True)
    clock.advance(days=1)
    again = "2026-11-16T12:30:45.123456Z"
    assert admin.post(f"{SUB}/resume", json={}).json["terms"][1:] == [
        term("business", NOW, again, paused=True),
        term("business", again),
    ]
    assert admin.post(f"{SUB}/resume").json["changed"] is False
    ended = admin.post(f"{SUB}/cancel", json={"at": "period_end"}).json
    assert ended["endedAt"] == ended["terms"][-1]["endsAt"] == PERIOD_END


@pytest.mark.parametrize(
    ("step", "body", "status", "code"),
    [
        ("change-plan", {"planId": "euro"}, 422, "other_currency"),
        ("change-plan", {"planId": "nothing"}, 422, "unknown_plan"),
        ("change-plan", {"planId": "gold", "at": "tomorrow"}, 422, "not_a_time"),
        ("change-plan", {"planId": "gold", "at": "2026-12-01T00:00:00"}, 422, "no_offset"),
        ("change-plan", {"planId": "gold", "at": "2026-11-01T00:00:00Z"}, 409, "usage_later"),
        ("change-plan", {}, 422, "required"),
        ("cancel", {"at": None}, 422, "required"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    plans: None, admin: FlaskClient, engine: Engine, now: datetime, books: Callable[[], list[Any]],
    step: str, body: dict[str, Any], status: int, code: str,
) -> None:  # fmt: skip
    with transaction(engine) as session:
        record(session, make_recording(now=now))
    before = books()
    answer = admin.post(f"{SUB}/{step}", json=body)
    codes = [error["code"] for error in answer.json.get("errors", [])] or [answer.json["code"]]
    assert (answer.status_code, answer.mimetype, codes) == (status, "application/problem+json", [code])
    assert books() == before


@pytest.mark.parametrize("step", ["change-plan", "pause", "cancel"])
def test_nothing_changes_before_it_starts(
    plans: None, admin: FlaskClient, books: Callable[[], list[Any]], step: str
) -> None:
    before, body = books(), {"at": START} | ({"planId": "gold"} if step == "change-plan" else {})
    answer = admin.post(f"{SUB}/{step}", json=body)
    assert (answer.status_code, answer.json["code"]) == (409, "not_started")
    assert books() == before


def test_a_subscription_that_is_not_there(plans: None, admin: FlaskClient) -> None:
    for step in ("pause", "resume", "cancel"):
        assert admin.post(f"/api/subscriptions/nobody/{step}").status_code == 404
    assert admin.post("/api/subscriptions/nobody/change-plan", json={"planId": "gold"}).status_code == 404


def test_the_upcoming_invoice_is_what_a_run_would_make(
    plans: None, admin: FlaskClient, engine: Engine, now: datetime, call_as: As, make_token: MakeToken
) -> None:
    url = f"{SUB}/upcoming-invoice"
    assert admin.get(url).json["code"] == "nothing_upcoming"
    with transaction(engine) as session:
        record(session, *(make_recording(now=now, quantity=20) for _ in range(3)))
    shown = call_as(make_token("user123")).get(url)
    assert shown.status_code == 200, shown.json
    assert (shown.json["total"], shown.json["status"], shown.json["number"]) == ("100.00", "draft", None)
    assert (shown.json["amountDue"], shown.json["creditApplied"], shown.json["dueAt"]) == ("100.00", "0.00", None)
    (item,) = shown.json["items"]
    assert (item["quantity"], item["billable"], item["allowance"]) == ("10", "10", "50")
    assert admin.get("/api/invoices").json["data"] == []
    assert call_as(make_token("stranger")).get(url).status_code == 404
    assert admin.get("/api/subscriptions/nobody/upcoming-invoice").status_code == 404


def test_a_fee_stands_on_the_invoice_without_a_usage_type(plans: None, admin: FlaskClient) -> None:
    admin.post(f"{SUB}/change-plan", json={"planId": "gold", "at": PERIOD_END})
    body = {"id": "s2", "userId": "user123", "planId": "gold", "startedAt": "2026-11-01T00:00:00Z"}
    assert admin.post("/api/subscriptions", json=body).status_code == 201
    (item,) = admin.get("/api/subscriptions/s2/upcoming-invoice").json["items"]
    assert (item["kind"], item["usageType"], item["amount"], item["unitPrice"]) == ("fee", None, "30.00", None)
