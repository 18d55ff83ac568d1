"""Who bills whom: kept of customers and the seller, copied when an invoice becomes final, and never rewritten."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from tests.api.conftest import Billed
from tests.conftest import Clock

LATER = datetime(2026, 12, 2, tzinfo=UTC)
BERLIN = {"line1": "Hauptstr. 1", "line2": None, "postalCode": "10115", "city": "Berlin", "country": "DE"}
SELLER = {
    "legalName": 'Example & "Söhne" <GmbH>',
    "address": BERLIN,
    "taxId": "DE123456788",
    "email": "billing@example.com",
    "iban": "DE89 3704 0044 0532 0130 00",
    "registration": "HRB 1, Berlin",
}
BUYER = {
    "legalName": "Ann Example Ltd",
    "address": {"line1": "1 High St", "city": "London", "country": "GB"},
    "taxId": "GB123456789",
    "language": "en",
    "buyerReference": "PO 4711",
}


def test_a_final_invoice_keeps_who_billed_whom(
    billed: Billed, admin: FlaskClient, engine: Engine, clock: Clock
) -> None:
    clock.now = LATER
    assert admin.get("/api/seller").status_code == 404
    assert admin.put("/api/seller", json=SELLER).status_code == 200
    assert admin.patch("/api/customers/user123", json=BUYER).status_code == 200
    url = f"/api/invoices/{billed.invoice_id}"
    draft = admin.get(url).json
    assert (draft["seller"], draft["buyer"]) == (None, None)
    final = admin.post(f"{url}/finalize").json
    assert final["seller"] == SELLER | {"iban": "DE89370400440532013000"}
    address = {"line1": "1 High St", "line2": None, "postalCode": None, "city": "London", "country": "GB"}
    assert final["buyer"] == {"userId": "user123", "name": "Ann", "email": None} | BUYER | {"address": address}
    with engine.connect() as connection:
        told = connection.execute(text("SELECT payload FROM outbox_messages WHERE topic = 'invoice.finalized'"))
        fact = told.scalar_one()["invoice"]
    assert (fact["seller"], fact["buyer"]) == (final["seller"], final["buyer"])

    admin.put("/api/seller", json=SELLER | {"legalName": "Another AG"})
    admin.patch("/api/customers/user123", json={"legalName": None, "address": None, "name": "Ann B."})
    assert admin.get(url).json == final
    with engine.connect() as connection, pytest.raises(IntegrityError, match="cannot change"):
        connection.execute(text("UPDATE invoices SET buyer = NULL WHERE number IS NOT NULL"))


def test_without_a_seller_an_invoice_names_none(billed: Billed, admin: FlaskClient, clock: Clock) -> None:
    clock.now = LATER
    final = admin.post(f"/api/invoices/{billed.invoice_id}/finalize").json
    assert final["seller"] is None
    assert final["buyer"]["name"] == "Ann"
    assert final["buyer"]["address"] is None


def test_an_address_is_replaced_as_a_whole(billed: Billed, admin: FlaskClient) -> None:
    url = "/api/customers/user123"
    admin.patch(url, json={"address": BERLIN})
    changed = admin.patch(url, json={"address": {"line1": "Am Markt 2", "city": "Bremen", "country": "DE"}}).json
    assert changed["address"] == {
        "line1": "Am Markt 2", "line2": None, "postalCode": None, "city": "Bremen", "country": "DE"
    }  # fmt: skip
    assert admin.get(url).json == changed
    assert admin.patch(url, json={"address": None}).json["address"] is None


@pytest.mark.parametrize(
    ("said", "pointer", "code"),
    [
        ({"legalName": None}, "/legalName", "not_a_text"),
        ({"address": None}, "/address", "required"),
        ({"iban": "DE88370400440532013000"}, "/iban", "not_an_iban"),
        ({"iban": "no account"}, "/iban", "not_an_iban"),
        ({"iban": 5}, "/iban", "not_a_text"),
        ({"email": "nobody"}, "/email", "not_an_email"),
        ({"address": BERLIN | {"country": "de"}}, "/address/country", "unknown_country"),
        ({"taxes": {"mode": "service"}}, "/taxes/mode", "not_a_choice"),
        ({"taxes": {"mode": "rules"}, "taxId": None}, "/taxId", "required"),
        ({"taxes": {"mode": "rules"}, "taxId": "DE123456789"}, "/taxId", "not_a_tax_id"),
    ],
)
def test_a_wrong_seller_is_refused(admin: FlaskClient, said: dict[str, Any], pointer: str, code: str) -> None:
    answer = admin.put("/api/seller", json=SELLER | said)
    assert answer.status_code == 422, answer.json
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [(pointer, code)]
    assert admin.get("/api/seller").status_code == 404


def test_a_seller_is_changed_only_as_it_was_seen(admin: FlaskClient) -> None:
    admin.put("/api/seller", json=SELLER)
    seen = admin.get("/api/seller").headers["ETag"]
    changed = admin.put("/api/seller", json=SELLER | {"iban": None}, headers={"If-Match": seen})
    assert (changed.status_code, changed.json["iban"]) == (200, None)
    assert admin.put("/api/seller", json=SELLER, headers={"If-Match": seen}).status_code == 412
    assert admin.get("/api/seller").json == changed.json
