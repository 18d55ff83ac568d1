"""The OpenAPI document: valid 3.1, whole, and without a secret."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.auth import rule_of
from tests.support.callers import FOREIGN
from usage_billing.settings import Settings


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    """The document as it is served."""
    answer = client.get("/api/openapi.json")
    assert answer.mimetype == "application/json"
    found: dict[str, Any] = answer.json
    return found


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_it_describes_every_route(app: Flask, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item
                 if method in {"get", "post", "patch", "put", "delete"}}  # fmt: skip
    served = {
        (method, re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", route.rule))
        for route in app.url_map.iter_rules()
        for method in (route.methods or set()) - {"HEAD"}
        if not route.endpoint.startswith(("docs.", "root.", *FOREIGN))
    }
    assert described == served


def test_every_operation_says_what_it_does_and_asks(app: Flask, document: dict[str, Any]) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()
                  if isinstance(operation, dict)]  # fmt: skip
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"], operation
        assert operation["security"] in ([], [{"apiKey": []}, {"bearer": []}])
    public = {operation["operationId"] for operation in operations if operation["security"] == []}
    assert public == {"live", "ready", "metrics"}
    assert rule_of(app, "health.live").public


def test_errors_are_problems(document: dict[str, Any]) -> None:
    responses = document["components"]["responses"]
    assert responses["DEFAULT_ERROR"]["content"].keys() == {"application/problem+json"}
    recording = document["paths"]["/api/usage/record"]["post"]["responses"]
    assert recording.keys() >= {"202", "default"}


def test_the_founding_documents_four_are_there(document: dict[str, Any]) -> None:
    assert document["paths"].keys() >= {
        "/api/usage/record",
        "/api/usage/user/{customer_id}",
        "/api/usage/subscription/{subscription_id}",
        "/api/usage/process-billing",
    }
    body = document["components"]["schemas"]["Recording"]
    assert set(body["required"]) == {"userId", "subscriptionId", "usageType"}  # some usage types make the quantity
    assert body["properties"].keys() == {
        *("userId", "subscriptionId", "usageType", "quantity"),
        *("metadata", "timestamp", "idempotencyKey", "source"),
    }
    assert body["additionalProperties"] is False


def test_it_holds_no_secret(client: FlaskClient, settings: Settings) -> None:
    text = client.get("/api/openapi.json").get_data(as_text=True)
    for secret in (settings.secret, settings.jwt_secret, settings.database_url, settings.redis_url):
        assert secret not in text
    assert "127.0.0.1" not in text
    assert "postgresql://" not in text


def test_it_says_how_fine_a_tax_rate_is(document: dict[str, Any]) -> None:
    rate = document["components"]["schemas"]["NewTaxRate"]["properties"]["rate"]
    assert re.search(rate["pattern"], "7.123456")
    assert not re.search(rate["pattern"], "7.1234567")
    assert "6 decimal places" in rate["description"]


@pytest.mark.parametrize(
    ("body", "holds"),
    [
        ({}, True),
        ({"amount": None}, True),
        ({"idempotencyKey": "r-1"}, True),
        ({"amount": "5", "idempotencyKey": "r-1"}, True),
        ({"amount": "5"}, False),
        ({"amount": "5", "idempotencyKey": None}, False),
    ],
)
def test_it_says_that_the_refund_of_an_amount_needs_a_key(
    document: dict[str, Any], body: dict[str, Any], holds: bool
) -> None:
    assert Draft202012Validator(document["components"]["schemas"]["Refund"]).is_valid(body) is holds
