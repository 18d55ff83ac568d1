"""What is agreed by mistake: a price that no invoice can hold, and a start in the wrong century."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

pytestmark = pytest.mark.usefixtures("world")

SUBSCRIPTION = {"id": "new", "userId": "user123", "startedAt": "1970-01-01T00:00:00Z"}


def plan(admin: FlaskClient, **given: Any) -> str:
    """A plan in days, with a base fee unless ``given`` says otherwise."""
    body = {"id": "daily", "name": "Daily", "currency": "USD", "interval": "day", "baseFee": "1"} | given
    answer = admin.post("/api/plans", json=body)
    assert answer.status_code == 201, answer.json
    return str(body["id"])


def begin(admin: FlaskClient, **changes: Any) -> tuple[int, str]:
    answer = admin.post("/api/subscriptions", json=SUBSCRIPTION | {"planId": "daily"} | changes)
    wrong = answer.json.get("errors", [{}])[0]
    return answer.status_code, f"{wrong.get('pointer', '')} {wrong.get('code', '')} {wrong.get('detail', '')}"


def test_a_start_in_the_wrong_century_is_refused_with_what_it_would_make(admin: FlaskClient) -> None:
    plan(admin)
    status, said = begin(admin)
    assert (status, said.split()[:2]) == (422, ["/startedAt", "too_far_back"])
    assert "20772 invoices" in said  # days from 1970-01-01 to 2026-11-15
    assert admin.get("/api/subscriptions/new").status_code == 404
    assert begin(admin, allowBackdating=True)[0] == 201


def test_just_so_many_are_well(app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    plan(admin)
    assert begin(admin, startedAt="2025-07-02T00:00:00Z", id="more")[0] == 422  # 501 days
    assert begin(admin, startedAt="2025-07-03T00:00:00Z")[0] == 201
    plan(admin, id="monthly", interval="month")
    assert begin(admin, planId="monthly", id="months")[0] == 422
    assert begin(admin, planId="monthly", id="months", startedAt="2000-01-01T00:00:00Z")[0] == 201
    assert begin(admin, id="ahead", startedAt="2999-01-01T00:00:00Z")[0] == 201


def test_what_costs_nothing_without_usage_may_begin_at_any_time(admin: FlaskClient) -> None:
    plan(admin, baseFee=None)
    assert begin(admin)[0] == 201
    minimum = {"model": "per_unit", "unitPrice": "1", "minimumAmount": "5"}
    own = {"usageType": "report", "monthlyLimit": "0", "price": minimum}
    assert begin(admin, id="own", quotas=[own])[0] == 422
    answer = admin.post(
        "/api/quotas", json={"planId": "daily", "usageType": "report", "monthlyLimit": "0", "price": minimum}
    )
    assert answer.status_code == 201, answer.json
    assert begin(admin, id="second")[0] == 422


PACKAGE = {"model": "package", "packageSize": "0.000000000001", "packagePrice": "1000000000000"}


def quota(price: dict[str, Any]) -> dict[str, Any]:
    return {"planId": "business", "usageType": "report", "monthlyLimit": "0", "price": price}


def test_a_price_whose_amount_no_invoice_can_hold_is_refused_when_it_is_defined(admin: FlaskClient) -> None:
    before = admin.get("/api/quotas").json
    answer = admin.post("/api/quotas", json=quota(PACKAGE))
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [("/price", "out_of_range")]
    own = {"usageType": "report", "monthlyLimit": "0", "price": PACKAGE}
    body = SUBSCRIPTION | {"planId": "business", "startedAt": "2026-11-01T00:00:00Z", "quotas": [own]}
    refused = admin.post("/api/subscriptions", json=body)
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/quotas/0/price")
    assert admin.get("/api/quotas").json == before


@pytest.mark.parametrize(
    "price",
    [
        {"model": "per_unit", "unitPrice": "1000000000000"},
        {"model": "package", "packageSize": "0.0001", "packagePrice": "1000000"},
        PACKAGE | {"maximumAmount": "1000"},
        {"model": "percentage", "rate": "1", "fixedFee": "1000000000000"},
        {"model": "percentage", "rate": "1", "maximumPerRecording": "5", "freeRecordings": 3},
        {"model": "volume", "tiers": [{"upTo": None, "unitPrice": "1000000000000", "flatFee": "1000000000000"}]},
        {"model": "flat", "amount": "1000000000000"},
    ],
)
def test_the_largest_prices_are_well(admin: FlaskClient, price: dict[str, Any]) -> None:
    answer = admin.post("/api/quotas", json=quota(price))
    assert answer.status_code == 201, answer.json
