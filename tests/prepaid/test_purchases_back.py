"""Purchases that are taken back or refunded: neither keeps a customer's money nor gives away more than was paid."""

from decimal import Decimal
from typing import Any

import pytest

from tests.prepaid.conftest import House
from tests.prepaid.test_packages import BUY, PAID, shop
from tests.support.books import scalars

__all__ = ["shop"]
NOW = PAID | {"charge": "now"}


def bought(shop: House, body: dict[str, Any]) -> tuple[str, str]:
    """The paths of the grant and of the invoice of a purchase."""
    made = shop.ok("POST", BUY, body)
    return f"/api/grants/{made['grantId']}", f"/api/invoices/{made['invoiceId']}"


@pytest.mark.parametrize("body", [NOW, PAID])
def test_a_part_of_what_no_later_invoice_corrects_is_not_taken_back(shop: House, body: dict[str, Any]) -> None:
    grant, invoice = bought(shop, body)
    shop.use(30, at=shop.clock.now)
    assert shop.refused(f"{grant}/void") == (409, "purchase_stands")
    assert shop.ok("GET", grant)["takenBack"] == "0"
    shop.verified()
    assert shop.ok("POST", f"{grant}/void", {"used": True})["status"] == "void"
    if body == NOW:
        shop.ok("POST", f"{invoice}/void")
    shop.verified()


def test_what_money_paid_is_not_taken_back(shop: House) -> None:
    grant, invoice = bought(shop, NOW)
    shop.ok("POST", f"{invoice}/pay")
    assert shop.refused(f"{grant}/void") == (409, "purchase_stands")
    assert shop.ok("GET", grant)["left"] == "100"
    shop.verified()


def test_the_invoice_of_a_void_grant_is_not_paid(shop: House) -> None:
    grant, invoice = bought(shop, NOW)
    shop.ok("POST", f"{grant}/void")
    assert shop.refused(f"{invoice}/pay") == (409, "nothing_due")
    assert shop.ok("POST", f"{invoice}/void")["status"] == "void"
    shop.verified()


def test_what_credit_paid_whole_is_taken_back(shop: House) -> None:
    credit = {"amount": "150.00", "currency": "USD", "reason": "x", "idempotencyKey": "c"}
    shop.ok("POST", "/api/customers/ann/credits", credit)
    grant, invoice = bought(shop, NOW)
    shop.ok("POST", f"{grant}/void")
    shop.ok("POST", f"{invoice}/void")
    assert scalars(shop.engine, "SELECT balance FROM credit_balances") == [Decimal(150)]
    shop.verified()
