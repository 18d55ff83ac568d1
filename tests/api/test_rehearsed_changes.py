"""Dry runs of changes over HTTP: told, not stored, and a digest that the real change is held to."""

from typing import Any

import pytest
from flask.testing import FlaskClient

SUB = "/api/subscriptions/sub456"
STEPS: list[tuple[str, dict[str, Any]]] = [
    ("change-plan", {"planId": "gold"}),
    ("pause", {}),
    ("cancel", {}),
    ("cancel", {"at": "period_end"}),
]


@pytest.fixture
def gold(world: object, admin: FlaskClient) -> None:
    """Beside business there is gold, for 60.00 in advance."""
    plan = {"id": "gold", "name": "Gold", "currency": "USD", "baseFee": "60", "baseFeeTiming": "advance"}
    assert admin.post("/api/plans", json=plan).status_code == 201


@pytest.mark.parametrize(("step", "body"), STEPS)
def test_a_dry_run_stores_nothing_and_the_change_is_held_to_it(
    gold: None, admin: FlaskClient, step: str, body: dict[str, Any]
) -> None:
    before = admin.get(SUB).json
    shown = admin.post(f"{SUB}/{step}", json=body | {"dryRun": True})
    assert shown.status_code == 200, shown.json
    assert admin.get(SUB).json == before
    looked = shown.json
    assert {name: looked[name] for name in before} == before
    assert looked["changed"] is True
    held = {"at": looked["effectiveAt"], "expectedDigest": looked["foreseen"]["digest"]}
    wrong = admin.post(f"{SUB}/{step}", json=body | held | {"expectedDigest": "0" * 64})
    assert (wrong.status_code, wrong.json["code"]) == (409, "digest_changed")
    assert admin.get(SUB).json == before
    done = admin.post(f"{SUB}/{step}", json=body | held)
    assert (done.status_code, done.json["effectiveAt"]) == (200, looked["effectiveAt"])
    assert "foreseen" not in done.json


def test_what_it_tells(gold: None, admin: FlaskClient) -> None:
    at = "2026-11-22T00:00:00Z"
    foreseen = admin.post(f"{SUB}/change-plan", json={"planId": "gold", "at": at, "dryRun": True}).json["foreseen"]
    (change, period) = foreseen["invoices"]
    assert (change["kind"], change["closesAt"], change["total"], change["currency"]) == ("change", at, "18.00", "USD")
    (fee,) = change["items"]
    assert (fee["kind"], fee["amountBefore"], fee["amount"]) == ("fee", "0.00", "18.00")
    assert (period["kind"], period["difference"], period["closesAt"]) == ("period", "60.00", "2026-12-01T00:00:00Z")
    kept = admin.post(f"{SUB}/cancel", json={"at": "period_end", "dryRun": True}).json["foreseen"]
    assert [one["usageType"] for one in kept["allowances"]] == []


def test_the_allowances_that_are_left(gold: None, admin: FlaskClient) -> None:
    quota = {"planId": "gold", "usageType": "report", "monthlyLimit": "300", "unitPrice": "1"}
    assert admin.post("/api/quotas", json=quota).status_code == 201
    at = "2026-11-22T00:00:00Z"
    foreseen = admin.post(f"{SUB}/change-plan", json={"planId": "gold", "at": at, "dryRun": True}).json["foreseen"]
    (left,) = foreseen["allowances"]
    assert (left["usageType"], left["limit"], left["used"], left["remaining"]) == ("report", "90", "0", "90")


@pytest.mark.parametrize("step", ["change-plan", "pause", "resume", "cancel"])
def test_a_dry_run_with_a_digest_is_refused(gold: None, admin: FlaskClient, step: str) -> None:
    body = {"dryRun": True, "expectedDigest": "0" * 64} | ({"planId": "gold"} if step == "change-plan" else {})
    answer = admin.post(f"{SUB}/{step}", json=body)
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [("/expectedDigest", "contradiction")]


def test_a_dry_run_is_refused_where_the_change_would_be(gold: None, admin: FlaskClient) -> None:
    answer = admin.post(f"{SUB}/pause", json={"at": "2001-01-01T00:00:00Z", "dryRun": True})
    assert (answer.status_code, answer.json["code"]) == (409, "not_started")
