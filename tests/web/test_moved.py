"""A part of a page that is asked for again: whatever changes in it is never answered with "it is as it was"."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import Clock
from tests.factories import make_recording, record
from tests.support.billing import bill
from tests.web.conftest import Books, OpenPortal
from usage_billing.db.session import transaction
from usage_billing.flows.administration.manage_portal import end_portal_session
from web.portal import kept

PARTS = ("overview", "usage", "upcoming", "wallets")
_ADDRESS = {"line1": "Hauptstr. 1", "postalCode": "10115", "city": "Berlin", "country": "DE"}


class Operator:
    """Changes one thing after the other, each in its own way."""

    def __init__(self, admin: FlaskClient, engine: Engine, clock: Clock, books: Books) -> None:
        self.admin, self.engine, self.clock, self.books = admin, engine, clock, books

    def send(self, method: str, path: str, **body: Any) -> None:
        answer = self.admin.open(path, method=method, json=body)
        assert answer.status_code < 300, (path, answer.text)

    def use(self) -> None:
        with transaction(self.engine) as session:
            record(session, make_recording(now=self.clock(), key="once"))

    def grant(self) -> None:
        begins, ends = self.clock(), self.clock() + timedelta(minutes=2)
        times = {"effectiveAt": begins.isoformat(), "expiresAt": ends.isoformat()}
        self.send("POST", "/api/wallets/w!/grants", amount="5", idempotencyKey="grant", **times)

    def steps(self) -> dict[str, Callable[[], None]]:
        """What an operator and use change, in an order in which each changes something that is shown."""
        quota = {"planId": "business", "usageType": "assessment", "monthlyLimit": "40", "effective": "now"}
        credit = {"currency": "USD", "amount": "5", "reason": "sorry", "idempotencyKey": "credit"}
        rate = {"country": "DE", "category": "S", "rate": "19", "effectiveFrom": "2021-01-01"}
        taxed = {"address": _ADDRESS, "legalName": "Buyer"}
        seller = {"legalName": "Seller", "address": _ADDRESS, "taxId": "DE136695976", "taxes": {"mode": "rules"}}
        return {
            "use": self.use,
            "grant": self.grant,
            "fee": lambda: self.send("POST", "/api/plans/business/versions", baseFee="7", effective="now"),
            "unit": lambda: self.send("PATCH", "/api/usage-types/assessment", unitName="pages"),
            "quota": lambda: self.send("POST", "/api/quotas", **quota, unitPrice="11"),
            "credit": lambda: self.send("POST", "/api/customers/user123/credits", **credit),
            "buyer": lambda: self.send("PATCH", "/api/customers/user123", **taxed),
            "rate": lambda: self.send("POST", "/api/tax-rates", **rate),
            "seller": lambda: self.send("PUT", "/api/seller", **seller),
            "exempt": lambda: self.send("PATCH", "/api/customers/user123", taxExempt=True),
            "pay": lambda: self.send("POST", f"/api/invoices/{self.books.invoice_id}/pay"),
            "pause": lambda: self.send("POST", "/api/subscriptions/sub456/pause", at="now"),
        }


def test_no_change_is_missed(portal: OpenPortal, admin: FlaskClient, engine: Engine, clock: Clock, used: Books) -> None:
    admin.post("/api/wallets", json={"id": "w!", "userId": "user123", "unit": {"currency": "USD"}})
    browser = portal()
    shown = {part: browser.get(f"/portal/{part}/live") for part in PARTS}
    unmoved = []
    for name, step in Operator(admin, engine, clock, used).steps().items():
        step()
        moved = False
        for part in PARTS:
            address, old = f"/portal/{part}/live", shown[part]
            asked = browser.get(address, headers={"If-None-Match": old.headers["ETag"]})
            if asked.status_code == 304:
                kept.forget()
                assert browser.get(address).text == old.text, (name, part)
            else:
                shown[part] = asked
                moved |= asked.text != old.text
        if not moved:
            unmoved.append(name)
    assert unmoved == ["buyer", "rate"]


def test_a_stored_draft_is_shown_with_tax(
    portal: OpenPortal, admin: FlaskClient, engine: Engine, clock: Clock, used: Books
) -> None:
    """The tax of what stands on it already is put on what is shown, and written nowhere."""
    steps = Operator(admin, engine, clock, used).steps()
    for name in ("buyer", "rate", "seller"):
        steps[name]()
    bill(engine, clock(), now=clock())
    answer = admin.get("/api/subscriptions/sub456/upcoming-invoice")
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert (answer.json["total"], answer.json["totalWithTax"]) == ("20.00", "23.80")
    assert portal().get("/portal/upcoming/live").status_code == 200


def test_what_is_as_it_was_takes_one_statement_and_no_transaction(
    portal: OpenPortal, engine: Engine, clock: Clock, used: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = portal()
    address, tag = "/portal/overview/live", {"If-None-Match": browser.get("/portal/overview/live").headers["ETag"]}

    def fail(_engine: Engine) -> None:
        raise AssertionError("a transaction was opened")

    with monkeypatch.context() as patch:
        patch.setattr("web.portal.gate.read_only", fail)
        assert browser.get(address, headers=tag).status_code == 304
    assert portal("user123", pages=["prices"]).get(address, headers=tag).status_code == 404
    with transaction(engine) as session:
        for id_ in session.scalars(text("SELECT id FROM portal_sessions")).all():
            end_portal_session(session, id_, actor="test", now=clock())
    assert browser.get(address, headers=tag).status_code == 401
