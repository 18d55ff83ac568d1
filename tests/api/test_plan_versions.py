"""Versions of base fees, over HTTP and at the terminal: made, listed, and refused where they cannot be."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import Clock

PLAN = {"id": "gold", "name": "Gold", "currency": "USD", "baseFee": "31.00"}


def test_versions_are_made_and_listed(world: object, admin: FlaskClient) -> None:
    assert admin.post("/api/plans", json=PLAN).status_code == 201
    made = admin.post("/api/plans/gold/versions", json={"baseFee": "40"})
    assert made.status_code == 201, made.json
    assert (made.json["version"], made.json["baseFee"], made.json["baseFeeTiming"]) == (2, "40", "arrears")
    assert (made.json["effective"], made.json["effectiveFrom"]) == ("next_period", "2026-12-01T00:00:00Z")
    listed = admin.get("/api/plans/gold/versions").json["data"]
    assert [(one["version"], one["baseFee"], one["effectiveUntil"]) for one in listed] == [
        (1, "31", "2026-12-01T00:00:00Z"),
        (2, "40", None),
    ]


def fee_of(plan: dict[str, Any]) -> tuple[str, str, str | None]:
    return plan["baseFee"], plan["baseFeeTiming"], plan["baseFeeUntil"]


def test_a_plan_tells_the_fee_that_holds_now(world: object, admin: FlaskClient, clock: Clock) -> None:
    made = admin.post("/api/plans", json=PLAN)
    assert fee_of(made.json) == ("31", "arrears", None)
    seen = admin.get("/api/plans/gold")
    assert seen.headers["ETag"] == made.headers["ETag"]
    admin.post("/api/plans/gold/versions", json={"baseFee": "40", "baseFeeTiming": "advance"})
    admin.post("/api/plans/gold/versions", json={"baseFee": "50", "effective": "2027-01-01T00:00:00Z"})
    told = []
    for now in (clock.now, datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)):
        clock.now = now
        shown = admin.get("/api/plans/gold").json
        assert shown in admin.get("/api/plans").json["data"]
        told.append(fee_of(shown))
    assert told == [
        ("31", "arrears", "2026-12-01T00:00:00Z"),
        ("40", "advance", "2027-01-01T00:00:00Z"),
        ("50", "advance", None),
    ]
    name, stale = {"name": "Golden"}, {"If-Match": made.headers["ETag"]}
    assert admin.patch("/api/plans/gold", json=name, headers=stale).status_code == 412
    fresh = {"If-Match": admin.get("/api/plans/gold").headers["ETag"]}
    renamed = admin.patch("/api/plans/gold", json=name, headers=fresh)
    assert (renamed.status_code, fee_of(renamed.json)) == (200, told[-1])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/baseFee"),
        ({"baseFee": "-1"}, "/baseFee"),
        ({"baseFee": None}, "/baseFee"),
        ({"baseFee": "1", "baseFeeTiming": "never"}, "/baseFeeTiming"),
        ({"baseFee": "1", "effective": "yesterday"}, "/effective"),
        ({"baseFee": "1", "fee": "1"}, "/fee"),
    ],
)
def test_what_is_no_version_is_pointed_at(
    world: object, admin: FlaskClient, body: dict[str, Any], pointer: str
) -> None:
    answer = admin.post("/api/plans/business/versions", json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert len(admin.get("/api/plans/business/versions").json["data"]) == 1


def test_there_is_no_version_of_no_plan(admin: FlaskClient) -> None:
    assert admin.post("/api/plans/nothing/versions", json={"baseFee": "1"}).status_code == 404
    assert admin.get("/api/plans/nothing/versions").status_code == 404


def test_a_fee_of_its_own_is_told_when_the_plan_is_left(world: object, admin: FlaskClient) -> None:
    admin.post("/api/plans", json=PLAN)
    new = {"id": "own", "userId": "user123", "planId": "business", "startedAt": "2026-11-01T00:00:00Z"}
    assert admin.post("/api/subscriptions", json=new | {"baseFeeTiming": "advance"}).status_code == 422
    made = admin.post("/api/subscriptions", json=new | {"baseFee": "5", "baseFeeTiming": "advance"})
    assert made.status_code == 201, made.json
    paused = admin.post("/api/subscriptions/own/pause", json={"at": "period_end"})
    assert paused.json["own"] == {"quotas": [], "baseFee": "5"}
    move = {"planId": "gold", "at": "period_end"}
    kept = admin.post("/api/subscriptions/own/change-plan", json=move | {"own": {"baseFee": "keep"}, "dryRun": True})
    assert kept.json["own"]["baseFee"] == "5", kept.json
    assert admin.post("/api/subscriptions/own/change-plan", json=move).json["own"]["baseFee"] is None
    wrong = admin.post("/api/subscriptions/own/change-plan", json=move | {"own": {"baseFee": "perhaps"}})
    assert wrong.status_code == 422
