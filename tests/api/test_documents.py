"""Documents over HTTP and at the terminal: figures equal to the API's, made once, kept, and shown to its customer."""

import csv
import hashlib
import io
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from api.state import state_of
from tests.api.conftest import Billed
from tests.conftest import As, Clock, MakeToken
from tests.factories import make_recording, make_usage_type, record
from tests.integration.conftest import Cli, cli
from tests.money.house import House, day, make_house
from tests.money.taxed import at, buyer, taxed
from tests.support.books import scalars
from usage_billing.db.session import transaction
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.service import keep_document
from usage_billing.flows.documents import drive_document
from usage_billing.flows.documents.drive_document import pdf_of
from usage_billing.invoicing.wording import grouped

__all__ = ["cli"]

Woken = list[str]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> Woken:
    """The invoices whose PDF the API asked a worker for."""
    found: Woken = []
    monkeypatch.setattr("api.enqueue.make_document", lambda id: found.append(str(id)))
    return found


def words_of(pdf: bytes) -> str:
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def books(engine: Engine, currency: str, price: str) -> House:
    """An invoice, one with an adjustment that credits more than the month, and one that the credit pays in part."""
    house = make_house(engine)
    house.plan("a", fee="7", currency=currency)
    house.quota("a", "0", {"model": "per_unit", "unitPrice": price})
    house.subscribe()
    first = house.use(1000, at=day(3))
    house.use(5, at=day(4))
    house.bill(day(2, month=2))
    house.void(first, at=day(3, month=2))
    house.bill(day(2, month=3))
    house.bill(day(2, month=4))
    house.use(1700, at=day(3, month=4))
    house.bill(day(2, month=5))
    return house


@pytest.mark.parametrize(("currency", "price"), [("JPY", "11"), ("USD", "1.23"), ("KWD", "1.234")])
def test_page_pdf_and_csv_have_the_figures_of_the_api(
    app: object, engine: Engine, admin: FlaskClient, currency: str, price: str
) -> None:
    house = books(engine, currency, price)
    found = [admin.get(f"/api/invoices/{id}").json for id in house.ids()]
    finals = [one for one in found if one["number"]]
    assert any(one["total"].startswith("-") for one in finals)
    assert any(one["creditApplied"].strip("0.") for one in finals)
    assert any(item["kind"] == "adjustment" for one in finals for item in one["items"])
    for one in finals:
        url = f"/api/invoices/{one['id']}/document"
        said = words_of(pdf_of(engine, UUID(one["id"])).content)
        page = admin.get(url).text
        rows = list(csv.DictReader(io.StringIO(admin.get(f"{url}?format=csv").text)))
        assert [row["itemId"] for row in rows] == [item["id"] for item in one["items"]]
        for item, row in zip(one["items"], rows, strict=True):
            for name in ("amount", "quantity", "description"):
                assert row[name] == item[name]
            quantity = "" if item["kind"] == "fee" else f" {grouped(item['quantity'])}"
            unit = "" if item["unitPrice"] is None else f" {grouped(item['unitPrice'])}"
            assert f"{item['description']}{quantity}{unit} {grouped(item['amount'])}" in said
            assert f'<td>{item["description"]}</td><td class="amount">{grouped(item["amount"])}</td>' in page
        for facts in (said, page.replace('</th><th class="amount">', " ")):
            assert f"Total {grouped(one['total'])}" in facts
            applied = f"Credit applied -{grouped(one['creditApplied'])}"
            assert (applied in facts) == bool(one["creditApplied"].strip("0."))
            assert f"Amount due {grouped(one['amountDue'])}" in facts


UNITS = (
    'calls <&" \u20ac',
    '#import "/etc/passwd": * $x^2$ *b* _i_ `r` @ref',
    "\u05e9\u05dc\u05d5\u05dd",
    "w" * 64,
    "{0} %s {{ x }}",
)


def test_three_hundred_items_of_any_name_are_those_of_the_api(app: object, engine: Engine, admin: FlaskClient) -> None:
    house = make_house(engine)
    house.plan("a")
    types = [f"t{number:03d}" for number in range(300)]
    with transaction(engine) as session:
        for number, name in enumerate(types):
            make_usage_type(session, id=name, unit_name=UNITS[number % len(UNITS)])
    for name in types:
        house.quota("a", "0", {"model": "per_unit", "unitPrice": "0.333"}, of=name)
    house.subscribe()
    at_noon = day(3)
    with transaction(engine) as session:
        used = (
            make_recording(now=at_noon, customer="ann", subscription="s", usage_type=name, quantity=1000 + number)
            for number, name in enumerate(types)
        )
        record(session, *used)
    house.bill(day(2, month=2))
    (invoice,) = house.ids()
    one = admin.get(f"/api/invoices/{invoice}").json
    letters = words_of(pdf_of(engine, invoice).content).replace("\u200b", "").replace(" ", "")
    assert len(one["items"]) == 300
    figures = Counter(f"{grouped(item['quantity'])}0.333{grouped(item['amount'])}" for item in one["items"])
    assert [figure for figure, number in figures.items() if letters.count(figure) < number] == []
    for item in one["items"]:
        # What is written from right to left comes out of a PDF in the order in which it is seen.
        words = [word for word in item["description"].split() if word.isascii()]
        assert [word for word in words if word not in letters] == []
    assert f"Total{grouped(one['total'])}" in letters
    assert f"Amountdue{grouped(one['amountDue'])}USD" in letters


PARTIES = {
    "marks of HTML": "<b>A & \"B\"</b> 'C'",
    "marks of typst": '#import "/etc/passwd": * $x^2$ *b* _i_ `r` @ref <l> // c \\ #[x]',
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 GmbH",
    "a picture": "Ann \U0001f388 & S\u00f6hne",
    "500 characters": "word " * 99 + "words",
    "500 without a blank": "w" * 500,
}


@pytest.mark.parametrize("name", PARTIES.values(), ids=PARTIES)
def test_a_party_of_any_name_stands_on_its_document_also_without_lines_of_its_address(
    billed: Billed, admin: FlaskClient, engine: Engine, clock: Clock, name: str
) -> None:
    clock.now = day(2, month=12)
    party = {"legalName": name, "address": {"line1": name[:100].strip(), "city": name[:60].strip(), "country": "DE"}}
    assert admin.put("/api/seller", json=party).status_code == 200
    assert admin.patch("/api/customers/user123", json=party).status_code == 200
    url = f"/api/invoices/{billed.invoice_id}"
    final = admin.post(f"{url}/finalize").json
    assert final["seller"]["legalName"] == final["buyer"]["legalName"] == name
    said = words_of(pdf_of(engine, billed.invoice_id).content).replace("\u200b", "")
    letters, page = said.replace(" ", ""), admin.get(f"{url}/document").text
    # What is written from right to left comes out of a PDF in the order in which it is seen, and a picture not at all.
    assert [word for word in name.split() if word.isascii() and letters.count(word) < 2] == []
    assert unescape(page).count(name) >= 2
    assert "<b>A" not in page
    for facts in (said, page):
        assert "None" not in facts
        assert "null" not in facts
    assert f"Amount due {final['amountDue']}" in said
    assert admin.get(f"{url}/document?format=csv").status_code == 200


@pytest.fixture
def final(billed: Billed, admin: FlaskClient, clock: Clock) -> str:
    """The address of the founding document's invoice, final, with its seller and buyer."""
    clock.now = day(2, month=12)
    address = {"line1": "Hauptstr. 1", "postalCode": "10115", "city": "Berlin", "country": "DE"}
    admin.put("/api/seller", json={"legalName": "Example GmbH", "address": address, "iban": "DE89370400440532013000"})
    admin.patch("/api/customers/user123", json={"legalName": "Ann <Ltd> & Co", "buyerReference": "PO 4711"})
    url = f"/api/invoices/{billed.invoice_id}"
    assert admin.post(f"{url}/finalize").status_code == 200
    return url


def test_tax_stands_in_every_document(engine: Engine, admin: FlaskClient) -> None:
    house = taxed(engine)
    house.use(1003, at=day(3))
    house.bill(day(9, month=2))
    invoice = house.ids()[0]
    url = f"/api/invoices/{invoice}"
    said, page = words_of(pdf_of(engine, invoice).content), admin.get(f"{url}/document").text
    for facts in (said.replace("\u00a0", " "), page.replace('</th><th class="amount">', " ").replace("\u00a0", " ")):
        for fact in (
            "Without tax 110.30",
            "Tax 19 % of 100.30 19.06",
            "Tax 7 % of 10.00 0.70",
            "Total 130.06",
            "Amount due 130.06",
        ):
            assert fact in facts
    assert "1,003 0.1 19 % 100.30" in said
    items = csv.DictReader(io.StringIO(admin.get(f"{url}/document?format=csv").text))
    assert sorted((row["taxCategory"], row["taxCountry"], row["taxRate"]) for row in items) == [
        ("S", "DE", "19"),
        ("S", "DE", "7"),
    ]
    (exported,) = csv.DictReader(io.StringIO(admin.get("/api/exports/invoices").text))
    assert [exported[name] for name in ("total", "tax", "totalWithTax", "amountDue")] == [
        "110.30", "19.76", "130.06", "130.06"
    ]  # fmt: skip
    buyer(engine, address=at("CH"))
    house.use(1, at=day(3, month=3))
    house.bill(day(9, month=3))
    assert "Not taxed: supplied to another country." in words_of(pdf_of(engine, house.ids()[1]).content)


@pytest.mark.parametrize(
    ("buyer_s", "seller_s", "code", "says"),
    [
        ("de-AT", "fr", "de", ("Rechnung INV-00000001", "Zu zahlen 30,00 USD", "Deutschland", "Leistungszeitraum")),
        (None, "fr", "fr", ("Facture INV-00000001", "À payer 30,00 USD", "Allemagne", "au-delà du forfait")),
        ("it", None, "en", ("Invoice INV-00000001", "Amount due 30.00 USD", "Germany", "beyond the allowance")),
    ],
)
def test_a_document_is_in_the_buyer_s_language_else_the_seller_s(
    billed: Billed,
    admin: FlaskClient,
    engine: Engine,
    clock: Clock,
    buyer_s: str | None,
    seller_s: str | None,
    code: str,
    says: tuple[str, ...],
) -> None:
    clock.now = day(2, month=12)
    address = {"line1": "Hauptstr. 1", "city": "Berlin", "country": "DE"}
    admin.put("/api/seller", json={"legalName": "Example GmbH", "address": address, "language": seller_s})
    admin.patch("/api/customers/user123", json={"language": buyer_s})
    admin.post(f"/api/invoices/{billed.invoice_id}/finalize")
    pdf = pdf_of(engine, billed.invoice_id).content
    page = admin.get(f"/api/invoices/{billed.invoice_id}/document").text
    said = words_of(pdf)
    for words in says:
        assert words in said
        assert words.removesuffix(" USD") in page.replace('</th><th class="amount">', " ")
    assert f'<html lang="{code}">' in page
    assert PdfReader(io.BytesIO(pdf)).trailer["/Root"]["/Lang"] == code


def test_the_pdf_is_made_when_asked_for_and_kept(
    final: str, billed: Billed, admin: FlaskClient, engine: Engine, woken: Woken
) -> None:
    asked = admin.get(f"{final}/document?format=pdf")
    assert (asked.status_code, asked.headers["Retry-After"]) == (202, "1")
    assert asked.json == {"invoiceId": str(billed.invoice_id), "status": "pending"}
    assert woken == [str(billed.invoice_id)]
    made = pdf_of(engine, billed.invoice_id)
    answer = admin.get(f"{final}/document?format=pdf")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "application/pdf", made.content)
    assert answer.headers["ETag"] == f'"{hashlib.sha256(made.content).hexdigest()}"'
    assert answer.headers["Content-Disposition"] == 'attachment; filename="INV-00000001.pdf"'
    same = admin.get(f"{final}/document?format=pdf", headers={"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    said = words_of(made.content)
    for words in ("Example GmbH", "Ann <Ltd> & Co", "PO 4711", "DE89 3704 0044 0532 0130 00", "Amount due 30.00 USD"):
        assert words in said
    assert len(woken) == 1


def test_no_transaction_is_open_while_the_broker_is_asked(
    app: Flask, final: str, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that hangs would hold it, and with it a connection of the few that there are."""
    pool: Any = state_of(app).engine.pool
    seen = []
    monkeypatch.setattr("api.enqueue.make_document", lambda _: seen.append(pool.checkedout()))
    assert admin.get(f"{final}/document?format=pdf").status_code == 202
    assert seen == [0]


def test_what_is_kept_never_changes(
    final: str, billed: Billed, admin: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pdf_of(engine, billed.invoice_id).content
    monkeypatch.setattr(drive_document, "render", lambda _: b"another")
    admin.post(f"{final}/pay")
    assert pdf_of(engine, billed.invoice_id).content == first
    assert admin.get(f"{final}/document?format=pdf").data == first
    for change in ("UPDATE invoice_documents SET template_version = '2'", "DELETE FROM invoice_documents"):
        with engine.connect() as connection, pytest.raises(IntegrityError, match="kept as it is"):
            connection.execute(text(change))
    assert scalars(engine, "SELECT count(*) FROM invoice_documents") == [1]


def test_of_two_that_make_it_at_once_both_get_the_first(
    final: str, billed: Billed, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_meanwhile(*_: Any) -> bytes:
        with transaction(engine) as session:
            keep_document(session, billed.invoice_id, DocumentKind.PDF, b"the first", template_version="1")
        return b"the second"

    monkeypatch.setattr(drive_document, "render", made_meanwhile)
    assert pdf_of(engine, billed.invoice_id).content == b"the first"


def test_a_draft_has_no_pdf_over_the_api_and_a_marked_one_at_the_terminal(
    billed: Billed, admin: FlaskClient, engine: Engine, woken: Woken, cli: Cli, tmp_path: Path
) -> None:
    refused = admin.get(f"/api/invoices/{billed.invoice_id}/document?format=pdf")
    assert (refused.status_code, refused.json["code"]) == (409, "invoice_status")
    done = cli("invoices", "document", str(billed.invoice_id), "--format", "pdf", "--out", "draft.pdf")
    assert (done.code, done.out) == (0, "")
    assert "this is no invoice" in words_of((tmp_path / "draft.pdf").read_bytes())
    assert (woken, scalars(engine, "SELECT count(*) FROM invoice_documents")) == ([], [0])


def test_the_terminal_writes_what_the_api_answers(final: str, admin: FlaskClient, cli: Cli, tmp_path: Path) -> None:
    for kind in ("html", "csv"):
        assert cli("invoices", "document", "1", "--format", kind, "--out", "1").code == 0
        assert (tmp_path / "1").read_bytes() == admin.get(f"{final}/document?format={kind}").data
    assert cli("invoices", "document", "1", "--format", "pdf", "--out", "1.pdf").code == 0
    assert (tmp_path / "1.pdf").read_bytes() == admin.get(f"{final}/document?format=pdf").data
    wrong = cli("invoices", "document", "1", "--out", "nowhere/1.pdf")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert cli("invoices", "document", "1", "--format", "ubl").code == 2


def test_all_of_a_span_are_written_into_a_folder(
    final: str, billed: Billed, cli: Cli, engine: Engine, tmp_path: Path
) -> None:
    month = ("--from", "2026-12-01", "--to", "2027-01-01")
    done = cli("invoices", "documents", *month, "--out", "a/b")
    assert (done.code, done.err) == (0, "PDFs written into a/b: 1\n")
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["INV-00000001.pdf"]
    assert (tmp_path / "a/b/INV-00000001.pdf").read_bytes() == pdf_of(engine, billed.invoice_id).content
    assert cli("invoices", "documents", "--month", "2026-12", "--out", "c").err == "PDFs written into c: 1\n"
    assert cli("invoices", "documents", "--month", "2026-11", "--out", "c").err == "PDFs written into c: 0\n"
    for wrong in (("--month", "2026-13"), ("--month", "2026-12", *month)):
        assert cli("invoices", "documents", *wrong, "--out", "d").code == 2
    assert cli("invoices", "documents", "--to", "2026-12-01", "--out", "none").err == "PDFs written into none: 0\n"
    (tmp_path / "file").touch()
    assert cli("invoices", "documents", "--out", "file").code == 2


def test_a_document_is_its_customer_s(
    final: str, billed: Billed, engine: Engine, call_as: As, make_token: MakeToken, woken: Woken
) -> None:
    pdf_of(engine, billed.invoice_id)
    for who, status in (("user123", 200), ("stranger", 404)):
        caller = call_as(make_token(who))
        for kind in ("html", "pdf", "csv"):
            assert caller.get(f"{final}/document?format={kind}").status_code == status
    assert woken == []
