"""Keys and wallets at the desk: a key is shown once, what is granted is granted once, each change is audited."""

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser
from tests.web.test_admin_subscriptions import audited
from tests.web.test_admin_today import WRITER, figures


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


def _shown(page: str) -> str:
    return unescape(re.findall(r'<pre id="the-key"[^>]*>([^<]+)</pre>', page)[0])


def test_a_key_is_made_and_shown_once(desk: DeskBrowser, call_as: As, engine: Engine, world: None) -> None:
    answer = desk.send("/admin/keys/new", name="reports", scopes=["usage:read", "usage:write"], rateLimit="100")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    key = _shown(answer.text)
    assert call_as(key).get("/api/usage/user/user123").status_code == 200
    key_id = re.findall(r'href="/admin/keys/([0-9a-f-]{36})"', answer.text)[0]
    page = desk.see(f"/admin/keys/{key_id}")
    assert key not in page
    assert key not in desk.see("/admin/keys")
    assert key not in desk.see("/admin/audit")
    assert audited(engine, f"key:{key_id}") == [("key", "key.created")]


def test_a_key_is_changed_rotated_and_revoked(desk: DeskBrowser, call_as: As, engine: Engine, world: None) -> None:
    answer = desk.send("/admin/keys/new", name="reports", scopes="usage:read")
    first, key_id = _shown(answer.text), re.findall(r'href="/admin/keys/([0-9a-f-]{36})"', answer.text)[0]
    page = desk.change(f"/admin/keys/{key_id}/change", name="old reports", expiresAt="never", rateLimit="50")
    assert "old reports" in page
    rotated = desk.send(f"/admin/keys/{key_id}/rotate", overlap="1h")
    second = _shown(rotated.text)
    for key in (first, second):
        assert call_as(key).get("/api/usage/user/user123").status_code == 200
    assert "revoked" in desk.change(f"/admin/keys/{key_id}/revoke")
    assert call_as(first).get("/api/usage/user/user123").status_code == 401
    assert call_as(second).get("/api/usage/user/user123").status_code == 200
    assert [action for _, action in audited(engine, f"key:{key_id}")] == [
        "key.created",
        "key.changed",
        "key.rotated",
        "key.revoked",
    ]
    assert "old reports" in desk.see("/admin/keys?ended=yes")


def test_the_key_that_signed_in_may_end_itself(desk: DeskBrowser, app: Flask) -> None:
    key_id = re.findall(r'href="/admin/keys/([0-9a-f-]{36})"', desk.see("/admin/keys?scope=admin"))[0]
    assert desk.send(f"/admin/keys/{key_id}/revoke").status_code == 303
    assert desk.client.get("/admin").status_code == 303


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": "everything"},
        {"scopes": "admin", "source": "one"},
        {"expiresAt": "2020-01-01"},
        {"rateLimit": "0"},
        {"rateLimit": "many"},
        {"name": ""},
    ],
)
def test_a_key_that_cannot_be_is_refused(desk: DeskBrowser, fields: dict[str, Any]) -> None:
    before = desk.see("/admin/keys").count('href="/admin/keys/')
    answer = desk.send("/admin/keys/new", **({"name": "reports", "scopes": "usage:write"} | fields))
    assert answer.status_code == 422
    assert "the-key" not in answer.text
    assert desk.see("/admin/keys").count('href="/admin/keys/') == before


@pytest.fixture
def wallet(desk: DeskBrowser, used: Books) -> str:
    """The path of a wallet of user123 for assessments."""
    fields = {"id": "w-1", "userId": "user123", "unitName": "assessment", "usageTypes": "assessment"}
    desk.change("/admin/wallets/new", **fields)
    return "/admin/wallets/w-1"


def test_a_wallet_is_the_apis(desk: DeskBrowser, wallet: str, api: FlaskClient, engine: Engine) -> None:
    usual = {"amount": "5", "priority": "50", "pending": "no", "idempotencyKey": "order-1", "cost": "20.00"}
    for _ in range(2):
        page = desk.change(f"{wallet}/grant", **usual)
    shown: Any = api.get("/api/wallets/w-1").json
    found = figures(page)
    assert found["available"].strip() == WRITER.number(shown["available"])
    for name in ("granted", "posted", "provisional", "expired", "left", "refunded"):
        assert found[name] == WRITER.number(shown[name]), name
    assert shown["granted"] == "5"
    assert figures(desk.see("/admin/customers/user123"))["in-w-1"] == WRITER.number(shown["available"])
    other = desk.send(f"{wallet}/grant", **(usual | {"amount": "6"}))
    assert other.status_code == 409
    assert "w-1" in desk.see("/admin/wallets?customer=user123")
    assert {who for who, _ in audited(engine, "wallet:w-1")} == {"key"}


def test_grants_are_activated_refunded_and_taken_back(desk: DeskBrowser, wallet: str, api: FlaskClient) -> None:
    usual = {"priority": "50", "coversSince": "", "effectiveAt": "2027-01-01"}
    desk.change(f"{wallet}/grant", amount="5", pending="yes", idempotencyKey="a", cost="20.00", **usual)
    desk.change(f"{wallet}/grant", amount="7", pending="no", idempotencyKey="b", **usual)
    bought, given = (one["id"] for one in api.get("/api/wallets/w-1").json["grants"])  # type: ignore[index]
    page = desk.see(wallet)
    assert f'href="/admin/grants/{bought}/activate"' in page
    desk.change(f"/admin/grants/{bought}/activate")
    desk.change(f"/admin/grants/{bought}/refund", amount="2", idempotencyKey="c")
    desk.change(f"/admin/grants/{given}/void", used="no")
    shown: Any = api.get("/api/wallets/w-1").json
    assert (shown["refunded"], shown["takenBack"]) == ("2", "7")
    assert desk.send(f"/admin/grants/{given}/refund", amount="1", idempotencyKey="d").status_code == 409


@pytest.mark.parametrize(
    "fields", [{"amount": "x"}, {"amount": "0"}, {"priority": "101"}, {"expiresAt": "2020-01-01"}, {"usageTypes": "no"}]
)
def test_a_grant_that_cannot_be_is_refused(
    desk: DeskBrowser, wallet: str, api: FlaskClient, fields: dict[str, str]
) -> None:
    usual = {"amount": "5", "priority": "50", "pending": "no", "idempotencyKey": "k"}
    assert desk.send(f"{wallet}/grant", **(usual | fields)).status_code in {409, 422}
    assert api.get("/api/wallets/w-1").json["grants"] == []  # type: ignore[index]


SELLER = {"legalName": "Acme", "line1": "Street 1", "city": "Berlin", "country": "DE", "taxes": "none"}


def test_who_bills_and_what_tax_costs_are_said(desk: DeskBrowser, api: FlaskClient, engine: Engine) -> None:
    assert "Not said yet" in desk.see("/admin/seller")
    page = desk.change("/admin/seller/change", **SELLER, email="a@acme.com")
    assert "Street 1" in page
    shown: Any = api.get("/api/seller").json
    assert (shown["legalName"], shown["email"], shown["address"]["country"]) == ("Acme", "a@acme.com", "DE")
    assert audited(engine, "seller") == [("key", "seller.set")]
    lines = "country,category,rate,effectiveFrom\r\nDE,S,19,2021-01-01\r\nDE,AA,7,2021-01-01"
    page = desk.change("/admin/seller/rates", rates=lines)
    assert page.count(">DE<") == 2
    assert len(api.get("/api/tax-rates").json["data"]) == 2  # type: ignore[index]


@pytest.mark.parametrize(
    "fields", [{"line1": ""}, {"line1": "", "city": "", "country": ""}, {"country": "Germany"}, {"taxes": "rules"}]
)
def test_a_seller_that_cannot_be_is_refused(desk: DeskBrowser, api: FlaskClient, fields: dict[str, str]) -> None:
    assert desk.send("/admin/seller/change", **(SELLER | fields)).status_code == 422
    assert api.get("/api/seller").status_code == 404


@pytest.mark.parametrize("rates", ["", "DE,S,19", "country,category,rate,effectiveFrom\nXX,S,19,2021-01-01"])
def test_rates_that_cannot_be_are_refused(desk: DeskBrowser, api: FlaskClient, rates: str) -> None:
    answer = desk.send("/admin/seller/rates", rates=rates)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert api.get("/api/tax-rates").json["data"] == []  # type: ignore[index]
