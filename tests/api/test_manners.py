"""Addresses, where made things are, pages of other origins, and who may ask for figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.locations import place_of
from api.state import state_of
from tests.api.conftest import Billed
from tests.conftest import As, MakeToken
from tests.support.callers import Keys
from usage_billing.settings import Settings

UNKNOWN = "01a20414-889a-718b-8ca0-84ba671558f5"


@contextmanager
def app_with(settings: Settings, **changes: Any) -> Iterator[FlaskClient]:
    """An API with other settings."""
    made = create_app(replace(settings, **changes))
    try:
        yield made.test_client()
    finally:
        state_of(made).engine.dispose()


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "//api/docs",
        "/api//docs",
        "/api/docs/",
        "/api/plans/",
        "/health/live/",
        "//evil.example/%2e%2e",
        "/nothing",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_another_address_is_none_and_redirects_nowhere(client: FlaskClient, path: str, method: str) -> None:
    answer = client.open(path, method=method, base_url="http://evil.example", environ_overrides={"PATH_INFO": path})
    assert answer.status_code == 404
    assert "Location" not in answer.headers
    assert "evil.example" not in str(answer.headers) + answer.text
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("path", ["invoices", "quarantine", "billing-runs", "usage/records", "api-keys"])
def test_an_id_of_another_form_is_answered_as_one_that_is_not_there(admin: FlaskClient, path: str) -> None:
    missing = admin.get(f"/api/{path}/{UNKNOWN}")
    for id in ("1", "nothing", UNKNOWN.replace("-", ""), UNKNOWN + "0", "%7B" + UNKNOWN + "%7D"):
        other = admin.get(f"/api/{path}/{id}")
        assert (other.status_code, other.mimetype) == (missing.status_code, missing.mimetype) == (404, other.mimetype)
        assert other.json.keys() == missing.json.keys()
        for name in ("type", "title", "status", "code"):
            assert other.json[name] == missing.json[name]
        assert other.json["detail"] == "there is nothing at this address: no such path, or no such id in it"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
        ("", "text/html"),
        ("image/png", "text/html"),
    ],
)
def test_the_address_itself_says_what_this_is(client: FlaskClient, accept: str, kind: str) -> None:
    answer = client.get("/", headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype, answer.headers["Vary"]) == (200, kind, "Accept")
    places = answer.json.values() if kind == "application/json" else ["/api/docs", "/api/openapi.json", "/health/ready"]
    for place in places:
        if place.startswith("/"):
            assert place in answer.text
            assert client.get(place).status_code == 200
    assert "<script" not in answer.text


MADE = {
    "/api/customers": {"id": "a|b@c", "name": "A"},
    "/api/plans": {"id": "gold+", "name": "Gold", "currency": "EUR", "interval": "month"},
    "/api/usage-types": {"id": "page", "unitName": "pages"},
    "/api/quotas": {"planId": "business", "usageType": "report", "monthlyLimit": 1, "unitPrice": "1"},
    "/api/subscriptions": {"id": "new", "userId": "user123", "planId": "business", "startedAt": "2026-11-01T00:00:00Z"},
    "/api/api-keys": {"name": "a key", "scopes": ["usage:read"]},
}


@pytest.mark.parametrize("url", MADE)
def test_what_was_made_is_where_the_answer_says(world: object, admin: FlaskClient, url: str) -> None:
    headers = {"Idempotency-Key": "once"}
    made = admin.post(url, json=MADE[url], headers=headers)
    assert made.status_code == 201, made.json
    place = made.headers["Location"]
    assert place.startswith(f"{url}/")
    shown = admin.get(place).json
    assert shown.items() <= made.json.items()
    again = admin.post(url, json=MADE[url], headers=headers)
    assert (again.headers["Idempotent-Replayed"], again.headers["Location"]) == ("true", place)


def test_every_answer_201_says_where(app: Flask, admin: FlaskClient) -> None:
    paths = admin.get("/api/openapi.json").json["paths"]
    for path, item in paths.items():
        for method, operation in item.items():
            if method == "post" and "201" in operation["responses"]:
                endpoint = next(
                    rule.endpoint
                    for rule in app.url_map.iter_rules()
                    if rule.endpoint.endswith("." + operation["operationId"])
                )
                assert place_of(app, endpoint, 201) is not None, path


def test_a_successor_and_a_run_have_their_places_too(billed: Billed, admin: FlaskClient) -> None:
    rotated = admin.post(f"/api/api-keys/{billed.key_id}/rotate")
    assert rotated.headers["Location"] == f"/api/api-keys/{rotated.json['id']}"
    run = admin.post("/api/usage/process-billing")
    assert run.headers["Location"] == f"/api/billing-runs/{run.json['runId']}"


def test_a_place_begins_with_the_public_address_and_never_with_the_host(
    world: object, app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"id": "new", "name": "New"}
    made = admin.post("/api/customers", json=body, base_url="http://evil.example")
    assert made.headers["Location"] == "/api/customers/new"
    monkeypatch.setattr(state_of(app), "public_address", "https://billing.example.com")
    made = admin.post("/api/customers", json=body | {"id": "newer"}, base_url="http://evil.example")
    assert made.headers["Location"] == "https://billing.example.com/api/customers/newer"


def test_pages_of_other_origins_ask_where_they_may(settings: Settings) -> None:
    with app_with(settings, cors_origins="https://app.example.com,http://localhost:3000") as client:
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
        before = client.options("/api/customers/user123", headers=asked | {"Origin": "https://app.example.com"})
        assert before.status_code == 204
        assert before.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
        assert "PATCH" in before.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in before.headers["Access-Control-Allow-Headers"]
        assert "x-api-key" not in before.headers["Access-Control-Allow-Headers"].lower()
        answer = client.get("/api/invoices", headers={"Origin": "http://localhost:3000"})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, "http://localhost:3000")
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["Vary"] == "Origin"
        for origin in ("https://evil.example", "https://app.example.com.evil.example", "null"):
            before = client.options("/api/customers/user123", headers=asked | {"Origin": origin})
            answer = client.get("/api/invoices", headers={"Origin": origin})
            assert (before.status_code, answer.status_code) == (405, 401)
            for one in (before, answer):
                assert "Access-Control-Allow-Origin" not in one.headers
                assert one.headers["Vary"] == "Origin"
        assert (
            "Access-Control-Allow-Origin"
            not in client.get("/health/live", headers={"Origin": "http://localhost:3000"}).headers
        )


def test_no_origin_is_allowed_unless_it_is_named(client: FlaskClient) -> None:
    answer = client.get("/api/invoices", headers={"Origin": "https://app.example.com"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_figures_need_the_token_where_one_is_set(settings: Settings, client: FlaskClient) -> None:
    assert client.get("/metrics").status_code == 200
    with app_with(settings, metrics_token="a-token-for-prometheus") as guarded:
        for header in ({}, {"Authorization": "Bearer another-token-1234"}, {"Authorization": "a-token-for-prometheus"}):
            answer = guarded.get("/metrics", headers=header)
            assert (answer.status_code, answer.json["code"]) == (401, "not_authenticated")
            assert "usage_billing_" not in answer.text
        assert (
            b"usage_billing_"
            in guarded.get("/metrics", headers={"Authorization": "Bearer a-token-for-prometheus"}).data
        )
        assert guarded.get("/health/live").status_code == 200


def test_anothers_invoice_cannot_be_told_from_none(
    billed: Billed, call_as: As, make_token: MakeToken, keys: Keys
) -> None:
    stranger = call_as(make_token("stranger"))

    def said(invoice: object, rest: str) -> dict[str, Any]:
        answer = stranger.get(f"/api/invoices/{invoice}{rest}")
        return {
            name: str(value).replace(str(invoice), "ID") for name, value in answer.json.items() if name != "requestId"
        }

    for rest in ("", "/items", "/document", f"/items/{billed.item_id}/explain", f"/items/{UNKNOWN}/explain"):
        assert said(billed.invoice_id, rest) == said(UNKNOWN, rest), rest
        assert said(UNKNOWN, rest)["status"] == "404"
    own = call_as(make_token("user123"))
    assert own.get(f"/api/invoices/{billed.invoice_id}/items/{UNKNOWN}/explain").status_code == 404
    assert own.get(f"/api/invoices/{billed.invoice_id}/items/{billed.item_id}/explain").status_code == 200
