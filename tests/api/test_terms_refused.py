"""Wrong changes of terms, sent to the API over a socket: a clear problem comes back, and nothing is changed."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine
from werkzeug.serving import make_server

from tests.conftest import Clock
from tests.money.house import House, day, make_house
from tests.support.books import rows
from tests.support.callers import Keys

SUB = "/api/subscriptions/s"
NINETEENTH, DECEMBER = "2026-11-19T00:00:00Z", "2026-12-01T00:00:00Z"
QUOTA = {"planId": "a", "usageType": "calls", "monthlyLimit": "5", "unitPrice": "2"}
STATE = (
    "SELECT * FROM subscriptions ORDER BY id",
    "SELECT * FROM subscription_terms ORDER BY subscription_id, starts_at",
    "SELECT * FROM subscription_changes ORDER BY id",
    "SELECT * FROM usage_quotas ORDER BY id",
    "SELECT * FROM plan_versions ORDER BY plan_id, version",
    "SELECT * FROM invoices ORDER BY id",
    "SELECT * FROM admin_requests",
    "SELECT * FROM audit_log ORDER BY id",
    "SELECT id FROM outbox_messages ORDER BY id",
)

Answer = tuple[int, str, dict[str, Any]]
Send = Callable[..., Answer]


@pytest.fixture
def send(app: Flask, keys: Keys) -> Iterator[Send]:
    """Send a request as an administrator: ``send("POST", path, body, **headers)`` -> status, content type, body."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    admin = keys.admin

    def request(method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        known = (
            {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"}
            if body is not None
            else {"Authorization": f"Bearer {admin}"}
        )
        connection.request(method, path, None if body is None else json.dumps(body), known | headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, answer.headers.get_content_type(), json.loads(text)

    yield request
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def house(engine: Engine, clock: Clock) -> House:
    """A subscription since September with two final invoices, and plans that it may move to; the 15th of November."""
    made = make_house(engine)
    made.plan("a", fee="10")
    made.plan("b")
    made.plan("euro", currency="EUR")
    made.quota("a", "5")
    made.subscribe(at=day(1, month=9))
    made.use(9, at=day(5, month=10))
    made.bill(day(1, month=11) + timedelta(hours=2))
    clock.now = datetime.fromisoformat("2026-11-15T00:00:00+00:00")
    return made


def state(engine: Engine) -> list[Any]:
    """All that a change of terms may touch."""
    return [rows(engine, statement) for statement in STATE]


REFUSED: list[tuple[str, list[Any], Any, int, str]] = [
    (
        "two at one instant that contradict",
        [("POST", f"{SUB}/change-plan", {"planId": "b", "at": NINETEENTH})],
        ("POST", f"{SUB}/change-plan", {"planId": "a", "at": NINETEENTH}),
        409,
        "conflicting_change",
    ),
    (
        "a pause and a resumption at one instant",
        [("POST", f"{SUB}/pause", {"at": NINETEENTH})],
        ("POST", f"{SUB}/resume", {"at": NINETEENTH}),
        409,
        "conflicting_change",
    ),
    (
        "before the subscription",
        [],
        ("POST", f"{SUB}/pause", {"at": "2026-08-31T23:59:59Z"}),
        409,
        "not_started",
    ),
    (
        "after its end",
        [("POST", f"{SUB}/cancel", {"at": NINETEENTH})],
        ("POST", f"{SUB}/change-plan", {"planId": "b", "at": DECEMBER}),
        409,
        "already_ended",
    ),
    ("a quota in another currency than the plan's", [], ("POST", "/api/quotas", QUOTA | {"currency": "EUR"}), 422,
     "other_currency"),
    ("a quota of its own for a plan in another currency", [],
     ("POST", "/api/quotas", QUOTA | {"planId": "euro", "subscriptionId": "s"}), 422, "other_plan"),
    ("a quota from the start of what is final", [], ("POST", "/api/quotas", QUOTA | {"effective": "start"}), 409,
     "already_invoiced"),
    ("a quota of its own from the start of what is final", [],
     ("POST", "/api/quotas", QUOTA | {"effective": "start", "subscriptionId": "s"}), 409, "already_invoiced"),
    ("a base fee from the start of what is final", [],
     ("POST", "/api/plans/a/versions", {"baseFee": "1", "effective": "start"}), 409, "already_invoiced"),
    ("a base fee from before a final invoice", [],
     ("POST", "/api/plans/a/versions", {"baseFee": "1", "effective": "2026-10-20T00:00:00Z"}), 409,
     "already_invoiced"),
    ("a dry run with a digest", [],
     ("POST", f"{SUB}/cancel", {"dryRun": True, "expectedDigest": "0" * 64}), 422, "contradiction"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "request_", "status", "code"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED]
)
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    house: House, send: Send, before: list[Any], request_: tuple[Any, ...], status: int, code: str
) -> None:
    for earlier in before:
        assert send(*earlier)[0] == 200
    known = state(house.engine)
    found, content_type, problem = send(*request_)
    codes = [error["code"] for error in problem.get("errors", [])] or [problem["code"]]
    assert (found, content_type, codes) == (status, "application/problem+json", [code]), problem
    assert problem["detail"]
    assert state(house.engine) == known


def test_a_change_that_has_happened_is_not_taken_back(house: House, send: Send, clock: Clock) -> None:
    (change,) = send("POST", f"{SUB}/change-plan", {"planId": "b", "at": NINETEENTH})[2]["scheduled"]
    clock.advance(days=10)
    known = state(house.engine)
    found, content_type, problem = send("DELETE", f"{SUB}/scheduled/{change['id']}")
    assert (found, content_type, problem["code"]) == (409, "application/problem+json", "change_happened")
    assert state(house.engine) == known


@pytest.mark.parametrize("path", [f"{SUB}/pause", "/api/quotas", "/api/plans/a/versions"])
def test_a_key_of_300_characters_is_refused(house: House, send: Send, path: str) -> None:
    body = {f"{SUB}/pause": {}, "/api/quotas": QUOTA, "/api/plans/a/versions": {"baseFee": "1"}}[path]
    known = state(house.engine)
    found, content_type, problem = send("POST", path, body, **{"Idempotency-Key": "k" * 300})
    assert (found, content_type, problem["code"]) == (422, "application/problem+json", "invalid_request")
    (error,) = problem["errors"]
    assert error["code"] == "out_of_range"
    assert "Idempotency-Key" in error["detail"]
    assert state(house.engine) == known


def test_what_is_final_is_told_with_the_first_instant_that_is_possible(house: House, send: Send) -> None:
    for path, body in (("/api/quotas", QUOTA), ("/api/plans/a/versions", {"baseFee": "1"})):
        _, _, problem = send("POST", path, body | {"effective": "start"})
        assert "2026-11-01T00:00:00+00:00" in problem["detail"]
        made, _, _ = send("POST", path, body | {"effective": "2026-11-01T00:00:00Z", "repriceUsage": True})
        assert made == 201
