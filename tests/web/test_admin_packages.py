"""Packages at the desk: made, the next version, sold once; and wallets of money."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As
from tests.support.callers import Keys
from tests.web.conftest import DeskBrowser
from tests.web.test_admin_subscriptions import audited

NEW = {
    "id": "hundred", "name": "100 assessments", "unitName": "assessment", "usageTypes": "assessment",
    "currency": "USD", "amount": "100", "price": "80.00", "validity": "1 year", "priority": "50",
    "taxCategory": "S", "paymentDays": "30",
}  # fmt: skip
ONE = "/admin/packages/hundred"
SOLD = {"userId": "user123", "count": "2", "charge": "next_invoice", "subscriptionId": "sub456"}


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


def test_a_package_is_made_changed_and_sold_once(
    desk: DeskBrowser, world: None, api: FlaskClient, engine: Engine
) -> None:
    assert "$80.00" in desk.change("/admin/packages/new", **NEW)
    shown: Any = api.get("/api/packages/hundred").json
    assert (shown["amount"], shown["validity"]) == ("100", {"interval": "year", "intervalCount": 1})
    key = re.findall(r'name="idempotencyKey" type="text" value="([^"]+)"', desk.see(f"{ONE}/sell"))[0]
    for _ in range(2):
        page = desk.change(f"{ONE}/sell", **SOLD, idempotencyKey=key)
    assert page.count("$160.00") == 1
    page = desk.see(f"{ONE}/version")
    assert 'value="80"' in page
    kept = {name: NEW[name] for name in ("amount", "validity", "priority", "taxCategory", "paymentDays")}
    page = desk.change(f"{ONE}/version", **kept, price="90.00", effectiveFrom="2030-01-01T00:00:00Z")
    assert [one["price"] for one in api.get("/api/packages/hundred/versions").json["data"]] == ["80.00", "90.00"]  # type: ignore[index]
    assert "version 1 is sold now" in page
    acts = [("key", f"package.{act}") for act in ("created", "bought", "version_defined")]
    assert audited(engine, "package:hundred") == acts
    assert "hundred" in desk.see("/admin/packages")


@pytest.mark.parametrize(
    "wrong",
    [{"validity": "1 fortnight"}, {"price": "0"}, {"price": "0.001"}, {"currency": "USX"}, {"usageTypes": "nowhere"}],
)
def test_what_is_no_package_is_refused(desk: DeskBrowser, world: None, api: FlaskClient, wrong: dict[str, str]) -> None:
    assert desk.send("/admin/packages/new", **(NEW | wrong)).status_code in {404, 422}
    assert api.get("/api/packages").json == {"data": [], "nextCursor": None}


def test_a_wallet_of_money_is_made_and_granted_into(desk: DeskBrowser, world: None, api: FlaskClient) -> None:
    asked = {"id": "money", "userId": "user123"}
    for wrong in ({}, {"currency": "USX"}, {"currency": "USD", "unitName": "assessment"}):
        assert desk.send("/admin/wallets/new", **asked, **wrong, fees="no").status_code == 422
    assert "USD" in desk.change("/admin/wallets/new", **asked, currency="USD", fees="yes")
    assert "Amount, in USD" in desk.see("/admin/wallets/money/grant")
    given = {"amount": "25", "priority": "50", "pending": "no", "idempotencyKey": "one"}
    desk.change("/admin/wallets/money/grant", **given)
    shown: Any = api.get("/api/wallets/money").json
    assert (shown["granted"], shown["unit"], shown["fees"]) == ("25.00", {"currency": "USD"}, True)
