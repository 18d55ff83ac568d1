"""Dry runs of changes of plans over HTTP: a run with an id tells what comes, and the real change is held to that."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.factories import make_recording, record
from tests.money.test_foreseen_quotas import nothing_stored
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end

QUOTA: dict[str, Any] = {
    "planId": "business",
    "usageType": "assessment",
    "monthlyLimit": "10",
    "unitPrice": "20",
    "effective": "period",
    "repriceUsage": True,
}
FEE: dict[str, Any] = {"baseFee": "40", "effective": "now"}
BOTH = [("/api/quotas", QUOTA), ("/api/plans/business/versions", FEE)]


@pytest.fixture
def used(world: object, engine: Engine, now: Any) -> None:
    """60 assessments of which 50 are free, and 10.00 each beyond."""
    with transaction(engine) as session:
        record(session, make_recording(now=now, quantity=60))


def look(admin: FlaskClient, engine: Engine, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the dry run shows once workers have done it."""
    opened = admin.post(path, json=body | {"dryRun": True})
    assert opened.status_code == 202, opened.json
    assert opened.headers["Location"] == f"/api/billing-runs/{opened.json['runId']}"
    waiting = admin.get(opened.headers["Location"]).json
    assert (waiting["kind"], waiting["status"], waiting["foreseen"]) == ("rehearsal", "opened", None)
    run_to_end(engine, UUID(opened.json["runId"]), settings_grace=timedelta(hours=1), on_progress=lambda _: None)
    found: dict[str, Any] = admin.get(opened.headers["Location"]).json
    return found


def test_a_quota_is_told_and_then_held_to_that(used: None, admin: FlaskClient, engine: Engine) -> None:
    run = look(admin, engine, "/api/quotas", QUOTA)
    assert (run["status"], run["dryRun"], run["subscriptions"], run["amounts"]) == (
        *("completed", True, 1),
        {"USD": "900.00"},
    )
    told = run["foreseen"]
    (one,) = told.pop("subscriptions")
    assert {name: told[name] for name in ("planId", "usageType", "effective", "looked", "charged", "credited")} == {
        "planId": "business",
        "usageType": "assessment",
        "effective": "period",
        "looked": 1,
        "charged": "900.00",
        "credited": "0.00",
    }
    assert (one["subscriptionId"], one["difference"]) == ("sub456", "900.00")
    held = QUOTA | {"effective": told["effective"], "expectedDigest": run["digest"]}
    for other in ({"expectedDigest": "0" * 64}, {"unitPrice": "21"}):
        with nothing_stored(engine):
            wrong = admin.post("/api/quotas", json=held | other)
        assert (wrong.status_code, wrong.json["code"]) == (409, "digest_changed")
    made = admin.post("/api/quotas", json=held)
    assert (made.status_code, made.headers["Location"]) == (201, f"/api/quotas/{made.json['id']}")
    assert admin.get("/api/subscriptions/sub456/upcoming-invoice").json["total"] == "1000.00"


def test_a_fee_at_once_is_told_and_then_held_to_that_instant(used: None, admin: FlaskClient, engine: Engine) -> None:
    path = "/api/plans/business/versions"
    run = look(admin, engine, path, FEE)
    told = run["foreseen"]
    assert (told["usageType"], told["effective"]) == (None, told["effectiveFrom"])
    before = admin.get("/api/subscriptions/sub456/upcoming-invoice").json["total"]
    held = FEE | {"effective": told["effective"], "repriceUsage": True, "expectedDigest": run["digest"]}
    for other in ({"expectedDigest": "0" * 64}, {"baseFee": "41"}):
        with nothing_stored(engine):
            wrong = admin.post(path, json=held | other)
        assert (wrong.status_code, wrong.json["code"]) == (409, "digest_changed")
    made = admin.post(path, json=held)
    assert (made.status_code, made.json["effectiveFrom"]) == (201, told["effectiveFrom"])
    after = admin.get("/api/subscriptions/sub456/upcoming-invoice").json["total"]
    assert f"{float(after) - float(before):.2f}" == told["difference"]


@pytest.mark.parametrize(("path", "body"), BOTH)
def test_a_key_brings_the_same_run_again(used: None, admin: FlaskClient, path: str, body: dict[str, Any]) -> None:
    asked = {"json": body | {"dryRun": True}, "headers": {"Idempotency-Key": "look"}}
    first, second = admin.post(path, **asked), admin.post(path, **asked)
    assert (second.json, second.headers["Idempotent-Replayed"]) == (first.json, "true")
    assert second.headers["Location"] == first.headers["Location"]
    assert len(admin.get("/api/billing-runs").json["data"]) == 1


@pytest.mark.parametrize(("path", "body"), BOTH)
def test_a_dry_run_with_a_digest_is_refused(
    used: None, admin: FlaskClient, engine: Engine, path: str, body: dict[str, Any]
) -> None:
    admin.get("/api/plans")
    with nothing_stored(engine):
        answer = admin.post(path, json=body | {"dryRun": True, "expectedDigest": "0" * 64})
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [("/expectedDigest", "contradiction")]
