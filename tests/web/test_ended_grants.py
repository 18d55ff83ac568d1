"""Grants that a reset ended, and closed wallets, look so: to customers and at the desk."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import As
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser, OpenPortal
from tests.web.test_admin_today import figures
from web.admin.history import _linked

WALLET = {"id": "w-1", "userId": "user123", "unit": {"unitName": "assessment", "usageTypes": ["assessment"]}}
PATH = "/admin/wallets/w-1"


@pytest.fixture
def api(call_as: As, keys: Keys, used: Books) -> FlaskClient:
    """A caller of the API that may do everything; a wallet of user123 has 40 bought and 500 given."""
    caller = call_as(keys.admin)
    assert caller.post("/api/wallets", json=WALLET).status_code == 201
    usual = {"effectiveAt": "2026-11-01T00:00:00Z"}
    for more in ({"amount": "40", "cost": "60.00", "idempotencyKey": "a"}, {"amount": "500", "idempotencyKey": "b"}):
        assert caller.post("/api/wallets/w-1/grants", json=usual | more).status_code == 201
    return caller


def _ok(answer: Any) -> Any:
    assert answer.status_code < 300, answer.json
    return answer.json


def test_what_a_reset_ended_is_said(api: FlaskClient, desk: DeskBrowser, portal: OpenPortal) -> None:
    page = desk.see(PATH)
    assert (page.count(">Take back<"), page.count(">Refund<"), ">reset</span>" in page) == (2, 1, False)
    assert portal().get("/portal/wallets").text.count("for ever") == 2
    _ok(api.post("/api/wallets/w-1/reset", json={}))
    page = desk.see(PATH)
    assert (page.count(">reset</span>"), page.count("for earlier usage until 15 Nov 2026"), "for ever" in page) == (
        2,
        2,
        False,
    )
    seen = portal().get("/portal/wallets").text
    assert (seen.count("ended; for earlier use until 15 Nov 2026"), "for ever" in seen) == (2, False)
    assert "beendet; für früheren Verbrauch bis 15. Nov" in portal(locale="de").get("/portal/wallets").text
    body = {"amount": "7", "idempotencyKey": "c", "priority": 99}
    _ok(api.post("/api/wallets/w-1/grants", json=body))
    amounts = re.findall(r'<td class="n">([0-9]+)</td><td class="n">[0-9]+</td>', portal().get("/portal/wallets").text)
    assert amounts[0] == "7"  # what holds comes before what is over


def test_what_the_api_would_refuse_is_not_offered(api: FlaskClient, desk: DeskBrowser) -> None:
    """What a reset keeps some of is not taken back or refunded; what it kept may be, once it follows no more."""
    _ok(api.post("/api/wallets/w-1/reset", json={"keep": {"max": "50"}}))
    page = desk.see(PATH)
    assert (page.count(">reset</span>"), page.count(">Take back<"), page.count(">Refund<")) == (2, 1, 1)
    assert "Take back the grant of 50" in page


def test_what_a_reset_keeps_nothing_of_may_be_taken_back(api: FlaskClient, desk: DeskBrowser) -> None:
    _ok(api.post("/api/wallets/w-1/reset", json={"keep": {"max": "0"}}))
    page = desk.see(PATH)
    assert (page.count(">reset</span>"), page.count(">Take back<"), page.count(">Refund<")) == (2, 2, 1)


def test_a_closed_wallet_is_said_to_be_closed(api: FlaskClient, desk: DeskBrowser, portal: OpenPortal) -> None:
    pages = ("/admin/wallets", "/admin/customers/user123")
    assert not any("closed" in desk.see(page) for page in pages)
    assert "Closed on" not in portal().get("/portal/wallets").text
    assert 'data-in-hand="w-1"' in portal().get("/portal").text
    _ok(api.post("/api/wallets/w-1/close", json={"settle": True}))
    assert ">closed</span>" in desk.see("/admin/wallets")
    assert "w-1</a>, closed</dt>" in desk.see("/admin/customers/user123")
    assert "Closed on 15 November 2026: nothing is put into it any more." in portal().get("/portal/wallets").text
    assert "Geschlossen am 15. November 2026" in portal(locale="de").get("/portal/wallets").text
    assert "data-in-hand" not in portal().get("/portal").text


def test_the_desk_shows_no_text_of_a_program(api: FlaskClient, desk: DeskBrowser) -> None:
    """What a grant has is said without zeros at its end, and the audit log lists ids and answers as words."""
    grants = [one["id"] for one in api.get("/api/wallets/w-1").json["grants"]]  # type: ignore[index]
    assert "It is a grant of 500 in w-1." in desk.see(f"/admin/grants/{grants[1]}/void")
    _ok(api.post("/api/wallets/w-1/reset", json={}))
    page = desk.see("/admin/audit?subject=wallet:w-1")
    assert f"grants {grants[0]}, {grants[1]}" in page
    assert "[" not in page.partition("<tbody>")[2]
    entry: Any = {"subject": "wallet:w-1", "detail": {"fees": False, "cost": None, "scopes": ["a", "b"]}}
    assert _linked(entry)["said"] == "fees no, cost -, scopes a, b"


def test_money_in_a_wallet_is_written_as_money(api: FlaskClient, desk: DeskBrowser, portal: OpenPortal) -> None:
    _ok(api.post("/api/wallets", json={"id": "m-1", "userId": "user123", "unit": {"currency": "USD"}}))
    body = {"amount": "150", "cost": "90.00", "idempotencyKey": "a", "effectiveAt": "2026-11-15T00:00:00Z"}
    (given,) = (_ok(api.post("/api/wallets/m-1/grants", json=body))["id"],)
    _ok(api.post(f"/api/grants/{given}/refund", json={"amount": "50", "idempotencyKey": "r"}))
    _ok(api.post("/api/wallets/m-1/top-up-rule", json={"below": "200", "amount": "46"}))
    page = desk.see("/admin/wallets/m-1")
    found = {name: figure.strip() for name, figure in figures(page).items()}
    assert (found["granted"], found["refunded"], found["asked"]) == ("$150.00", "$50.00", "$46.00")
    assert "once less than $200.00 is available" in page
    assert '<td class="n">$46.00</td>' in desk.see("/admin/top-ups")
    assert figures(desk.see("/admin/customers/user123"))["in-m-1"] == found["available"]
    seen = portal().get("/portal/wallets").text
    assert '<span data-figure="asked">$46.00</span>' in seen
    assert '<td class="n">$150.00</td>' in seen
    moved = portal().get("/portal/wallets/of/m-1").text
    assert re.findall(r'<td class="n">([^<]+)</td>', moved) == ["\u2212$50.00", "+$150.00"]
    assert f'data-in-hand="m-1">{found["available"]} left' in portal().get("/portal").text
    package = {"id": "usd", "name": "Dollars", "unit": {"currency": "USD"}, "currency": "USD"}
    _ok(api.post("/api/packages", json=package | {"amount": "150", "price": "90.00"}))
    for address in ("/admin/packages", "/admin/packages/usd"):
        assert '<td class="n">$150.00</td><' in desk.see(address)
    recurs = {"amount": "46", "every": {"interval": "month"}, "idempotencyKey": "m"}
    _ok(api.post("/api/wallets/m-1/schedules", json=recurs))
    assert '<td class="n">$46.00<span' in desk.see("/admin/wallets/m-1")
