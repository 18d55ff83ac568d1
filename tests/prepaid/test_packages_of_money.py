"""Packages of money: 100.00 for 90.00, which pay charges like any grant, at their part of the cost."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import rows
from usage_billing.db import clock as database_clock

__all__ = ["cli"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PACK: dict[str, Any] = {
    "id": "usd-100", "name": "100 dollars", "unit": {"currency": "USD"}, "currency": "USD", "amount": "100",
    "price": "90.00",
}  # fmt: skip
BUY = "/api/packages/usd-100/purchases"


@pytest.fixture
def shop(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(database_clock, "agreed_now", lambda _session, here: here)
    shown = house.ok("POST", "/api/packages", PACK)
    assert {name: shown[name] for name in PACK} == PACK
    return house


def test_ninety_are_charged_and_a_hundred_pay(shop: House) -> None:
    shop.clock.now = JUNE + HOUR
    order = {"userId": "ann", "subscriptionId": "s", "charge": "next_invoice", "idempotencyKey": "o"}
    bought = shop.ok("POST", BUY, order)
    wallet = shop.ok("GET", f"/api/wallets/{bought['walletId']}")
    assert (wallet["unit"], wallet["available"]) == ({"currency": "USD"}, "100.00")
    shop.clock.now = JUNE + 3 * DAY
    shop.use(40, at=JUNE + 2 * DAY)  # 10 are free, 2.00 each
    upcoming = shop.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert (upcoming["total"], upcoming["prepaidApplied"], upcoming["amountDue"]) == ("150.00", "60.00", "90.00")
    shop.bill(JULY + 2 * HOUR)
    (invoice,) = shop.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    assert (invoice["total"], invoice["prepaidApplied"], invoice["amountDue"]) == ("150.00", "60.00", "90.00")
    assert [one["grantId"] for one in invoice["prepaid"]] == [bought["grantId"]]
    used = rows(shop.engine, "SELECT amount, cost FROM wallet_transfers WHERE kind = 'used'")
    assert [(str(row.amount), str(row.cost)) for row in used] == [("60.000000000000", "54.0000")]
    shop.verified()


def test_it_fills_the_wallet_in_that_currency_and_tops_it_up(shop: House) -> None:
    shop.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    shop.ok("POST", "/api/wallets/m/top-up-rule", {"below": "20.00", "packageId": "usd-100"})
    (asked,) = shop.ok("GET", "/api/wallets/m/top-ups")["data"]
    assert (asked["amount"], asked["available"]) == ("100.00", "0.00")
    paid = shop.ok("POST", f"/api/top-ups/{asked['id']}/paid")
    assert shop.ok("GET", f"/api/grants/{paid['grantId']}")["cost"] == "90.00"
    bought = shop.ok("POST", BUY, {"userId": "ann", "charge": "paid", "idempotencyKey": "o", "count": 2})
    assert (bought["walletId"], bought["amount"], bought["price"]) == ("m", "200", "180.00")
    assert shop.ok("GET", "/api/wallets/m")["available"] == "300.00"
    shop.verified()


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"unit": {"currency": "EUR"}}, "/unit/currency"),
        ({"unit": {"currency": "USD", "unitName": "calls"}}, "/unit"),
        ({"unit": {}}, "/unit/unitName"),
        ({"unit": {"unitName": "calls"}}, "/unit/usageTypes"),
        ({"amount": "100.005"}, "/amount"),
    ],
)
def test_what_is_no_package_of_money_is_refused(shop: House, wrong: dict[str, Any], pointer: str) -> None:
    assert shop.refused("/api/packages", PACK | {"id": "x"} | wrong) == (422, pointer)
    version = {"amount": "100.005", "price": "90.00"}
    assert shop.refused("/api/packages/usd-100/versions", version) == (422, "/amount")


def test_at_a_terminal(shop: House, cli: Cli) -> None:
    made = cli("packages", "create", "usd-10", "--name", "10", "--currency", "USD", "--amount", "10", "--price", "9")
    assert made.code == 0, made.out
    assert "usd-10" in cli("packages", "list").out
    sold = ("--currency", "USD", "--amount", "1", "--price", "1")
    half = cli("packages", "create", "y", "--name", "Y", "--unit", "calls", *sold)
    assert half.code == 2
