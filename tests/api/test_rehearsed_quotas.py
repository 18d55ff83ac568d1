"""Dry runs of a subscription's own quotas over HTTP: told, not stored, and a digest that the real one is held to."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.api.conftest import Bill
from tests.factories import make_recording, record
from tests.money.test_foreseen_quotas import nothing_stored
from usage_billing.db.session import transaction

SUB = "/api/subscriptions/sub456"
OWN: dict[str, Any] = {
    "planId": "business",
    "subscriptionId": "sub456",
    "usageType": "assessment",
    "monthlyLimit": "10",
    "unitPrice": "20",
    "effective": "period",
    "repriceUsage": True,
}


@pytest.fixture
def used(world: object, engine: Engine, now: Any, bill: Bill) -> None:
    """60 assessments of which 50 are free, and 10.00 each beyond."""
    with transaction(engine) as session:
        record(session, make_recording(now=now, quantity=60))


def test_a_quota_is_told_and_then_held_to_that(used: None, admin: FlaskClient, engine: Engine) -> None:
    before = admin.get(SUB).json
    with nothing_stored(engine):
        shown = admin.post("/api/quotas", json=OWN | {"dryRun": True})
    assert shown.status_code == 200, shown.json
    assert "Location" not in shown.headers
    looked = shown.json
    assert {name: looked[name] for name in before} == before
    assert (looked["changed"], looked["own"]["quotas"]) == (True, [])
    (invoice,) = looked["foreseen"]["invoices"]
    assert (invoice["totalBefore"], invoice["total"], invoice["difference"]) == ("100.00", "1000.00", "900.00")
    assert [one["remaining"] for one in looked["foreseen"]["allowances"] if one["usageType"] == "assessment"] == ["0"]
    held = OWN | {"effective": looked["effectiveAt"], "expectedDigest": looked["foreseen"]["digest"]}
    for other in ({"expectedDigest": "0" * 64}, {"unitPrice": "21"}):
        with nothing_stored(engine):
            wrong = admin.post("/api/quotas", json=held | other)
        assert (wrong.status_code, wrong.json["code"]) == (409, "digest_changed")
    made = admin.post("/api/quotas", json=held)
    assert (made.status_code, made.json["effectiveFrom"]) == (201, looked["effectiveAt"])
    assert admin.get(f"{SUB}/upcoming-invoice").json["total"] == "1000.00"


def test_an_end_is_told_and_then_held_to_that(used: None, admin: FlaskClient, engine: Engine) -> None:
    made = admin.post("/api/quotas", json=OWN).json
    place, asked = f"/api/quotas/{made['id']}", {"effective": "period", "repriceUsage": True}
    with nothing_stored(engine):
        looked = admin.delete(place, json=asked | {"dryRun": True})
    assert looked.status_code == 200, looked.json
    (invoice,) = looked.json["foreseen"]["invoices"]
    assert (looked.json["id"], looked.json["changed"], invoice["difference"]) == ("sub456", True, "-900.00")
    held = asked | {"effective": looked.json["effectiveAt"], "expectedDigest": looked.json["foreseen"]["digest"]}
    wrong = admin.delete(place, json=held | {"expectedDigest": "0" * 64})
    assert (wrong.status_code, wrong.json["code"]) == (409, "digest_changed")
    assert admin.get(place).json == made
    done = admin.delete(place, json=held)
    assert (done.status_code, done.json["id"]) == (200, made["id"])
    again = admin.delete(place, json={"dryRun": True}).json
    assert (again["changed"], again["foreseen"]["invoices"]) == (False, [])
    assert admin.get(f"{SUB}/upcoming-invoice").json["total"] == "100.00"


def test_a_key_brings_the_same_look_again(used: None, admin: FlaskClient) -> None:
    asked = {"json": OWN | {"dryRun": True}, "headers": {"Idempotency-Key": "look"}}
    first, second = admin.post("/api/quotas", **asked), admin.post("/api/quotas", **asked)
    assert (second.json, second.headers["Idempotent-Replayed"]) == (first.json, "true")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_dry_run_with_a_digest_is_refused(used: None, admin: FlaskClient, method: str) -> None:
    own = admin.post("/api/quotas", json=OWN).json["id"]
    body = {"dryRun": True, "expectedDigest": "0" * 64} | (OWN if method == "POST" else {})
    answer = admin.open("/api/quotas" if method == "POST" else f"/api/quotas/{own}", method=method, json=body)
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [("/expectedDigest", "contradiction")]


def test_a_dry_run_is_refused_where_the_quota_would_be(used: None, admin: FlaskClient) -> None:
    answer = admin.post("/api/quotas", json=OWN | {"repriceUsage": False, "dryRun": True})
    assert (answer.status_code, answer.json["code"]) == (409, "would_reprice")
    plans = next(one["id"] for one in admin.get("/api/quotas").json["data"] if one["subscriptionId"] is None)
    answer = admin.delete(f"/api/quotas/{plans}", json={"dryRun": True})
    assert (answer.status_code, answer.json["code"]) == (409, "plan_quota")
