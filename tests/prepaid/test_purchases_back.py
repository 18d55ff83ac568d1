"""Purchases that are taken back or refunded: neither keeps a customer's money nor gives away more than was paid."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_packages import BUY, NEXT, PAID, shop
from tests.support.books import scalars
from usage_billing.db.session import read_only
from usage_billing.flows.billing import manage_invoices
from usage_billing.flows.prepaid import grant_life
from usage_billing.reports.verify.purchases import purchase_differences

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


@pytest.mark.parametrize("step", [None, "uncollectible"])
def test_what_was_not_paid_is_not_refunded(shop: House, step: str | None) -> None:
    grant, invoice = bought(shop, NOW)
    if step is not None:
        shop.ok("POST", f"{invoice}/{step}")
    part = {"amount": "50", "idempotencyKey": "r"}
    for body in (part, None):
        assert shop.refused(f"{grant}/refund", body) == (409, "purchase_unpaid")
    assert shop.ok("GET", grant)["refunded"] == "0"
    shop.ok("POST", f"{invoice}/pay")
    assert shop.ok("POST", f"{grant}/refund", part)["money"] == "75.00"
    assert shop.refused(f"{grant}/void") == (409, "purchase_stands")
    assert shop.refused(f"{invoice}/void")[0] == 409
    shop.verified()


def test_what_the_next_invoice_charges_is_refunded_once_that_is_paid(shop: House) -> None:
    grant, _ = bought(shop, NEXT)
    assert shop.refused(f"{grant}/refund") == (409, "purchase_unpaid")
    shop.bill(JUNE + timedelta(days=20))
    assert shop.refused(f"{grant}/refund") == (409, "purchase_unpaid")  # it is on a draft
    shop.bill(JULY + timedelta(days=1))
    assert shop.refused(f"{grant}/refund") == (409, "purchase_unpaid")
    (invoice,) = shop.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    shop.ok("POST", f"/api/invoices/{invoice['id']}/pay")
    assert shop.ok("POST", f"{grant}/refund", {"amount": "50", "idempotencyKey": "r"})["money"] == "75.00"
    shop.ok("POST", f"{grant}/void")
    shop.bill(JULY + timedelta(days=2))
    assert sum(Decimal(one[1]) for one in shop.invoices()) == 75
    shop.verified()


def test_credit_in_hand_does_not_become_money(shop: House) -> None:
    credit = {"amount": "100.00", "currency": "USD", "reason": "x", "idempotencyKey": "c"}
    shop.ok("POST", "/api/customers/ann/credits", credit)
    grant, invoice = bought(shop, NOW)
    shop.ok("POST", f"{invoice}/pay")  # 50.00 of it
    assert shop.refused(f"{grant}/refund") == (409, "purchase_unpaid")
    assert shop.ok("POST", f"{grant}/refund", {"amount": "20", "idempotencyKey": "1"})["money"] == "30.00"
    assert shop.refused(f"{grant}/refund", {"amount": "14", "idempotencyKey": "2"}) == (409, "purchase_unpaid")
    assert shop.ok("POST", f"{grant}/refund", {"amount": "13", "idempotencyKey": "3"})["money"] == "19.50"
    shop.verified()


def test_a_purchase_with_tax_is_not_refunded(shop: House) -> None:
    address = {"line1": "1", "postalCode": "1", "city": "B", "country": "DE"}
    shop.ok("POST", "/api/tax-rates", {"country": "DE", "category": "S", "rate": "19", "effectiveFrom": "2020-01-01"})
    seller = {"legalName": "S", "address": address, "taxId": "DE136695976", "taxes": {"mode": "rules"}}
    shop.ok("PUT", "/api/seller", seller)
    shop.ok("PATCH", "/api/customers/ann", {"address": address})
    grant, invoice = bought(shop, NOW)
    shop.ok("POST", f"{invoice}/pay")
    assert shop.refused(f"{grant}/refund") == (409, "purchase_taxed")
    assert shop.ok("GET", grant)["refunded"] == "0"
    shop.verified()


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        (["grant/void"], {"purchase_kept"}),
        (["invoice/pay", "grant/void"], {"purchase_kept"}),
        (["grant/refund"], {"purchase_refunded"}),
        (["grant/refund", "grant/void", "invoice/void"], {"purchase_refunded", "purchase_given"}),
    ],
)
def test_verify_sees_what_a_missing_check_lets_through(
    shop: House, monkeypatch: pytest.MonkeyPatch, steps: list[str], kinds: set[str]
) -> None:
    monkeypatch.setattr(grant_life, "check_taken_back_whole", lambda *_: None)
    monkeypatch.setattr(grant_life, "check_money_paid", lambda *_: None)
    monkeypatch.setattr(manage_invoices, "_stands", lambda _session, _id: len(steps) == 2)
    paths = dict(zip(("grant", "invoice"), bought(shop, NOW), strict=True))
    if "grant/refund" not in steps:
        shop.use(30, at=shop.clock.now)
    for step in steps:
        noun, act = step.split("/")
        body = {"amount": "50", "idempotencyKey": "r"} if act == "refund" else None
        shop.ok("POST", f"{paths[noun]}/{act}", body)
    with read_only(shop.engine) as session:
        assert {found.kind for found in purchase_differences(session, None)} == kinds
