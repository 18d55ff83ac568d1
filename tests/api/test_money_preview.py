"""Prices tried out over HTTP: what they charge, step by step, and what is wrong with them."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import As, MakeToken
from tests.support.callers import Keys

URL = "/api/prices/preview"
TIERS = [{"upTo": 10, "unitPrice": "5", "flatFee": 1}, {"upTo": None, "unitPrice": 4.5}]


def ask(caller: FlaskClient, price: dict[str, Any], quantity: Any = 1, currency: str = "USD", **more: Any) -> Any:
    return caller.post(URL, json={"price": price, "quantity": quantity, "currency": currency, **more})


@pytest.mark.parametrize(
    ("price", "quantity", "amount"),
    [
        ({"model": "per_unit", "unitPrice": "10.00"}, 3, "30.00"),
        ({"model": "graduated", "tiers": TIERS}, 12, "60.00"),
        ({"model": "volume", "tiers": TIERS}, 12, "54.00"),
        ({"model": "package", "packageSize": 100, "packagePrice": 5, "freeUnits": 50}, 151, "10.00"),
        ({"model": "percentage", "rate": "0.029", "fixedFee": "0.30"}, 100, "3.20"),
        ({"model": "flat", "amount": 99}, "0.5", "99.00"),
        ({"model": "flat", "amount": 99}, 0, "0.00"),
        ({"model": "flat", "amount": 99, "minimumAmount": 7}, 0, "7.00"),
        ({"model": "per_unit", "unitPrice": 1, "discountPercent": 12.5, "maximumAmount": 80}, 100, "80.00"),
    ],
)
def test_every_model_is_rated(reader: FlaskClient, price: dict[str, Any], quantity: Any, amount: str) -> None:
    answer = ask(reader, price, quantity)
    assert (answer.status_code, answer.json.get("amount")) == (200, amount), answer.json


def test_the_arithmetic_is_told_and_rounded_once(reader: FlaskClient) -> None:
    assert ask(reader, {"model": "graduated", "tiers": TIERS, "discountPercent": "10"}, "12.001").json == {
        "amount": "54.00",
        "exact": "54.00405",
        "currency": "USD",
        "breakdown": [
            {"label": "tier 1: 10 x 5", "quantity": "10", "amount": "50"},
            {"label": "tier 1: flat fee", "quantity": "0", "amount": "1"},
            {"label": "tier 2: 2.001 x 4.5", "quantity": "2.001", "amount": "9.0045"},
            {"label": "discount of 10 %", "quantity": "0", "amount": "-6.00045"},
        ],
    }


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1"), ("USD", "0.50"), ("KWD", "0.500"), ("CLF", "0.5000")])
def test_the_amount_has_the_digits_of_the_minor_unit(reader: FlaskClient, currency: str, amount: str) -> None:
    assert ask(reader, {"model": "per_unit", "unitPrice": 0.5}, 1, currency).json["amount"] == amount


def test_a_number_is_the_decimal_that_it_spells(reader: FlaskClient) -> None:
    body = '{"price": {"model": "per_unit", "unitPrice": 0.000000000001}, "quantity": 1e12, "currency": "USD"}'
    answer = reader.post(URL, data=body, content_type="application/json")
    assert (answer.json["amount"], answer.json["exact"]) == ("1.00", "1")


def test_a_fixed_fee_counts_recordings(reader: FlaskClient) -> None:
    price = {"model": "percentage", "rate": 0.01, "fixedFee": 0.25}
    assert ask(reader, price, 1000, recordings=4).json["amount"] == "11.00"


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"price": {"model": "guess"}}, "/price/model", "not_supported"),
        ({"price": {"model": "per_unit"}}, "/price/unitPrice", "required"),
        ({"price": {"model": "per_unit", "unitPrice": -1}}, "/price/unitPrice", "not_a_decimal"),
        ({"price": {"model": "per_unit", "unitPrice": 1, "tiers": []}}, "/price/tiers", "unknown"),
        ({"price": {"model": "flat", "amount": "0.0000000000001"}}, "/price/amount", "not_a_decimal"),
        ({"price": {"model": "package", "packageSize": -5, "packagePrice": 1}}, "/price/packageSize", "not_a_decimal"),
        ({"price": {"model": "package", "packageSize": 0, "packagePrice": 1}}, "/price/packageSize", "out_of_range"),
        (
            {"price": {"model": "volume", "tiers": [{"upTo": 5, "unitPrice": 1}, {"upTo": 5, "unitPrice": 1}]}},
            "/price/tiers/1/upTo",
            "unbounded",
        ),
        (
            {"price": {"model": "graduated", "tiers": [
                {"upTo": 9, "unitPrice": 1}, {"upTo": 5, "unitPrice": 1}, {"upTo": None, "unitPrice": 1}]}},
            "/price/tiers/1/upTo",
            "out_of_order",
        ),
        ({"price": {"model": "flat", "amount": 1, "discountPercent": 101}}, "/price/discountPercent", "not_a_decimal"),
        (
            {"price": {"model": "flat", "amount": 1, "minimumAmount": 2, "maximumAmount": 1}},
            "/price/maximumAmount",
            "contradiction",
        ),
        ({"price": 5}, "/price", "not_an_object"),
        ({"currency": "XXX"}, "/currency", "unknown_currency"),
        ({"currency": "usd"}, "/currency", "unknown_currency"),
        ({"quantity": -1}, "/quantity", "not_a_decimal"),
        ({"recordings": 0.5}, "/recordings", "not_a_whole_number"),
        ({"quantity": ..., "quantities": [1, 2], "recordings": 2}, "/recordings", "contradiction"),
        ({"quantity": ..., "quantities": [1], "recordings": 1}, "/recordings", "contradiction"),
        ({"quantities": [1]}, "/quantity", "required"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_pointed_at(reader: FlaskClient, change: dict[str, Any], pointer: str, code: str) -> None:
    body = {"price": {"model": "flat", "amount": 1}, "quantity": 1, "currency": "USD"} | change
    answer = reader.post(URL, json={name: value for name, value in body.items() if value is not ...})
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, code)]


def test_any_caller_may_ask(call_as: As, keys: Keys, make_token: MakeToken, client: FlaskClient) -> None:
    price = {"model": "flat", "amount": 1}
    for credential in (keys.writer, keys.reader, keys.biller, keys.admin, make_token("user123")):
        assert ask(call_as(credential), price).status_code == 200
    assert ask(client, price).status_code == 401
