"""Plans, quotas and subscriptions with all that they can say, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.support.books import scalars

PLAN = {
    "id": "gold",
    "name": "Gold",
    "currency": "EUR",
    "interval": "quarter",
    "intervalCount": 2,
    "baseFee": 49.9,
    "baseFeeTiming": "advance",
    "proration": "days",
    "prorateStartAndEnd": True,
    "paymentDays": 14,
}
TIERS = [{"upTo": 10, "unitPrice": 0.5, "flatFee": "1"}, {"upTo": None, "unitPrice": "0.000000000001"}]
QUOTA: dict[str, Any] = {"planId": "business", "usageType": "assessment", "monthlyLimit": 5}


def test_a_plan_says_how_it_bills(admin: FlaskClient) -> None:
    made = admin.post("/api/plans", json=PLAN)
    assert made.status_code == 201, made.json
    assert made.json.items() >= (PLAN | {"baseFee": "49.9"}).items()
    assert admin.get("/api/plans/gold").json == made.json
    plain = admin.post("/api/plans", json={"id": "plain", "name": "Plain", "currency": "USD"}).json
    assert (
        plain.items()
        >= {
            "interval": "month",
            "intervalCount": 1,
            "baseFee": None,
            "baseFeeTiming": "arrears",
            "proration": "time",
            "prorateStartAndEnd": False,
            "paymentDays": 30,
        }.items()
    )


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"currency": "XXX"}, "/currency"),
        ({"interval": "fortnight"}, "/interval"),
        ({"intervalCount": 367}, "/intervalCount"),
        ({"baseFee": -1}, "/baseFee"),
        ({"baseFeeTiming": "later"}, "/baseFeeTiming"),
        ({"proration": "guess"}, "/proration"),
        ({"prorateStartAndEnd": "yes"}, "/prorateStartAndEnd"),
        ({"paymentDays": 367}, "/paymentDays"),
    ],
)
def test_what_a_plan_cannot_say_is_pointed_at(
    admin: FlaskClient, nothing_changed: Callable[[], bool], change: dict[str, Any], pointer: str
) -> None:
    answer = admin.post("/api/plans", json=PLAN | change)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert nothing_changed()


@pytest.mark.parametrize(
    "price",
    [
        {"model": "graduated", "tiers": TIERS},
        {"model": "volume", "tiers": TIERS, "discountPercent": 10},
        {"model": "package", "packageSize": 100, "packagePrice": 5, "minimumAmount": "20"},
        {"model": "percentage", "rate": "0.029", "fixedFee": 0.3, "maximumAmount": 100},
        {"model": "flat", "amount": 99},
    ],
    ids=lambda price: price["model"],
)
def test_a_quota_takes_every_model(world: object, admin: FlaskClient, price: dict[str, Any]) -> None:
    made = admin.post("/api/quotas", json=QUOTA | {"price": price, "currency": "USD"})
    assert made.status_code == 201, made.json
    assert made.json["price"]["model"] == price["model"]
    assert (made.json["effective"], made.json["subscriptionId"], made.json["version"]) == ("next_period", None, 2)


def test_a_subscription_has_its_own_quota_from_now_on(world: object, admin: FlaskClient, reader: FlaskClient) -> None:
    own = QUOTA | {"unitPrice": 1, "subscriptionId": "sub456", "effective": "now"}
    made = admin.post("/api/quotas", json=own)
    assert made.status_code == 201, made.json
    assert (made.json["effective"], made.json["subscriptionId"], made.json["version"]) == ("now", "sub456", 1)
    assert made.json["effectiveFrom"] == "2026-11-15T12:30:45.123456Z"
    for change, pointer in (
        ({"subscriptionId": "nobody"}, "/subscriptionId"),
        ({"planId": "other"}, "/planId"),
        ({"effective": "yesterday"}, "/effective"),
        ({"currency": "EUR"}, "/currency"),
    ):
        answer = admin.post("/api/quotas", json=own | change)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_a_price_has_no_currency_of_its_own(world: object, admin: FlaskClient) -> None:
    answer = admin.post("/api/quotas", json=QUOTA | {"price": {"model": "flat", "amount": 1, "currency": "EUR"}})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/price/currency")


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"anchor": 32}, "/anchor", "not_a_choice"),
        ({"anchor": "32"}, "/anchor", "not_a_choice"),
        ({"timezone": "Mars/Olympus"}, "/timezone", "unknown_zone"),
    ],
)
def test_a_subscription_is_anchored_to_what_there_is(
    world: object, admin: FlaskClient, engine: Engine, change: dict[str, Any], pointer: str, code: str
) -> None:
    body = {"id": "s", "userId": "user123", "planId": "business", "startedAt": "2026-01-31T00:00:00Z"}
    answer = admin.post("/api/subscriptions", json=body | change)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, code)]
    assert scalars(engine, "SELECT id FROM subscriptions") == ["sub456"]
    made = admin.post("/api/subscriptions", json=body | {"anchor": "anniversary"}).json
    assert made["anchor"] == "anniversary"
    term = {"planId": "business", "startsAt": "2026-01-31T00:00:00Z", "endsAt": None, "paused": False}
    assert made["terms"] == [term]
