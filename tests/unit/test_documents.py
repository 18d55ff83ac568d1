"""What a document says and how its PDF comes out: figures, places of currencies, hostile texts, equal bytes."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.architecture.sources import ROOT
from usage_billing.core.csv_text import csv_line, text_cell
from usage_billing.documents.content import content_of
from usage_billing.documents.items_csv import COLUMNS, items_csv
from usage_billing.documents.page import page_of_invoice
from usage_billing.documents.pdf import render
from usage_billing.documents.template import FOLDER

BERLIN = {"line1": "Hauptstr. 1", "line2": None, "postalCode": "10115", "city": "Berlin", "country": "DE"}
FONTS = {
    "DejaVuSans.ttf": "abdc775b21b1bc470d50c97e790d276f2054b7504e56e5bd3e64f48d68582322",
    "DejaVuSans-Bold.ttf": "0d977336a6d5fba34eab8e3199eb218327161b5143749f802982c2bc34df0c96",
}
HOSTILE = (
    '<script>alert("1")</script> & more',
    '#import "/etc/passwd": * $x^2$ *bold* _it_ `raw` @ref <label> // comment \\ #[x]',
    "שלום עולם",
    "x" * 500,
    "word " * 100,
    '=HYPERLINK("http://example.com")',
)


def item(description: str = "Calls", *, amount: str = "30.00", **more: Any) -> dict[str, Any]:
    """An item as ``wire`` shows it."""
    shown = {
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "kind": "usage",
        "usageType": "calls",
        "cell": "",
        "periodStart": "2026-03-01T00:00:00Z",
        "periodEnd": "2026-04-01T00:00:00Z",
        "quantity": "1234.5",
        "billable": "1234.5",
        "allowance": "0",
        "covered": "0",
        "unitPrice": "0.0243",
        "amount": amount,
        "description": description,
        "textKey": None,
        "textArgs": None,
    }
    return shown | more


def invoice(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A final invoice as ``wire`` shows it."""
    shown = {
        "id": "01890a5d-ac96-774b-bcce-b302099a8058",
        "number": "INV-00000001",
        "userId": "user123",
        "subscriptionId": "sub456",
        "kind": "period",
        "status": "finalized",
        "currency": "USD",
        "periodStart": "2026-03-01T00:00:00Z",
        "periodEnd": "2026-04-01T00:00:00Z",
        "total": "30.00",
        "prepaidApplied": "0.00",
        "creditApplied": "0.00",
        "amountDue": "30.00",
        "dueAt": "2026-05-01T00:00:00Z",
        "finalizedAt": "2026-04-01T01:00:00Z",
        "paidAt": None,
        "seller": {"legalName": "Example GmbH", "address": BERLIN, "taxId": "DE1", "email": None, "iban": None},
        "buyer": {"name": "Ann", "legalName": None, "address": None, "taxId": None, "buyerReference": "PO 1"},
        "items": list(items or (item(),)),
    }
    return shown | more


def read(pdf: bytes) -> str:
    """All texts of a PDF, a line break or a space between any two words."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return "\n".join(page.extract_text() for page in pages).replace("\u200b", "")


def pdf_text(shape: dict[str, Any]) -> str:
    return read(render(content_of(shape)))


@pytest.mark.parametrize(
    ("currency", "amount", "shown"),
    [("JPY", "1234567", "1,234,567"), ("USD", "1234567.80", "1,234,567.80"), ("KWD", "1234.567", "1,234.567")],
)
def test_figures_have_the_places_of_their_currency(currency: str, amount: str, shown: str) -> None:
    none = amount.translate({ord(digit): "0" for digit in "123456789"}).replace("0000000", "0").replace("0000.", "0.")
    said = pdf_text(
        invoice(
            item(amount=amount),
            currency=currency,
            total=amount,
            prepaidApplied=none,
            creditApplied=none,
            amountDue=amount,
        )
    )
    assert f"1,234.5 0.0243 {shown}" in said
    assert f"Total {shown}" in said
    assert f"Amount due {shown} {currency}" in said
    assert f"Amount {currency}" in said
    assert "Credit applied" not in said


def test_credit_is_taken_off_and_a_credit_is_not_owed() -> None:
    said = pdf_text(invoice(creditApplied="12.50", amountDue="17.50"))
    assert "Credit applied -12.50" in said
    assert "Amount due 17.50 USD" in said
    back = pdf_text(invoice(item(amount="-30.00"), total="-30.00", amountDue="0.00", dueAt=None))
    assert "Total -30.00" in back
    assert "Amount due 0.00 USD" in back
    assert "is used for the next invoices" in back


def test_what_wallets_paid_is_taken_off_before_credit() -> None:
    said = pdf_text(invoice(prepaidApplied="10.00", creditApplied="12.50", amountDue="7.50"))
    assert (
        said.index("Total 30.00") < said.index("Paid from prepaid credit -10.00") < said.index("Credit applied -12.50")
    )
    assert "Amount due 7.50 USD" in said


def test_what_became_of_it_since_changes_no_byte_of_the_pdf() -> None:
    since = {"status": "paid", "amountDue": "0.00", "paidAt": "2026-04-20T00:00:00Z"}
    assert render(content_of(invoice())) == render(content_of(invoice(**since)))
    assert "<dt>Paid</dt><dd>20 April 2026</dd>" in page_of_invoice(invoice(**since))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_text_wherever_it_stands(text: str) -> None:
    party = {"legalName": text, "address": BERLIN | {"line2": text[:256]}, "taxId": None, "email": None, "iban": None}
    buyer = {"name": text, "legalName": None, "address": None, "taxId": text[:64], "buyerReference": text[:128]}
    shape = invoice(item(text), seller=party, buyer=buyer)
    made = render(content_of(shape))
    letters = "".join(read(made).split())
    # What is written from right to left comes out of a PDF in the order in which it is seen.
    words = [text] if text.isascii() else text.split()
    assert all(letters.count("".join(word.split())) >= 3 for word in words)
    assert "30.00" in letters
    assert b"pdfaid:part>3<" in made.replace(b"\n", b"")


def test_a_character_that_no_font_has_costs_the_standard_alone() -> None:
    shape = invoice(item("日本語"))
    made = render(content_of(shape))
    assert "Amount due 30.00 USD" in read(made)
    assert b"pdfaid" not in made


def test_an_invoice_without_items_says_its_sums() -> None:
    shape = invoice(items=[], total="0.00", amountDue="0.00", dueAt=None)
    said = pdf_text(shape)
    assert "Total 0.00" in said
    assert "Amount due 0.00 USD" in said
    assert "Unit price" in said
    assert "<tbody>\n</tbody>" in page_of_invoice(shape)
    assert len(items_csv(shape).splitlines()) == 1


def test_three_hundred_items_are_on_pages_with_a_head_each() -> None:
    made = render(content_of(invoice(*(item(f"Line {n}", amount=f"{n}.00") for n in range(300)))))
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(made)).pages]
    assert len(pages) > 3
    assert all(f"Page {number} of {len(pages)}" in page for number, page in enumerate(pages, 1))
    assert all("Unit price" in page for page in pages[:-1])
    whole = "\n".join(pages)
    assert all(f"Line {n} 1,234.5 0.0243 {n}.00" in whole for n in range(300))


def test_an_invoice_of_ten_thousand_items_is_made() -> None:
    made = render(content_of(invoice(*(item(f"Line {n}", amount=f"{n}.00") for n in range(10_000)))))
    last = PdfReader(io.BytesIO(made)).pages[-1].extract_text()
    assert "Line 9999 1,234.5 0.0243 9,999.00" in last
    assert "Amount due" in last


def test_equal_content_is_equal_bytes_and_a_cent_is_not() -> None:
    one, again = (render(content_of(invoice())) for _ in range(2))
    assert one == again
    assert render(content_of(invoice(total="30.01"))) != one


_ELSEWHERE = """
import json, sys
from usage_billing.documents.content import content_of
from usage_billing.documents.pdf import render
sys.stdout.buffer.write(render(content_of(json.load(sys.stdin))))
"""


def test_another_process_elsewhere_makes_the_same_bytes(tmp_path: Path) -> None:
    """In another folder, zone, language and order of hashes. It costs a second: a process that loads typst."""
    shape = invoice(item(HOSTILE[0]), item("Zürich", amount="1234.50"), total="1264.50", amountDue="1264.50")
    elsewhere = {"PYTHONPATH": str(ROOT), "TZ": "Pacific/Auckland", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=json.dumps(shape).encode(),
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **elsewhere},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == render(content_of(shape))


def test_the_fonts_are_those_of_the_release() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (FOLDER / "fonts").glob("*.ttf")}
    assert found == FONTS


def test_a_draft_says_that_it_is_no_invoice() -> None:
    said = pdf_text(invoice(number=None, status="draft", finalizedAt=None, dueAt=None))
    assert "this is no invoice" in said
    assert "Reference" not in said.replace("Your reference", "")


def test_the_items_are_csv_without_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(items_csv(invoice(item(HOSTILE[-1], amount="-30.00"), item(HOSTILE[0]))))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["description"] for row in rows] == [f"'{HOSTILE[-1]}", HOSTILE[0]]
    assert [row["amount"] for row in rows] == ["-30.00", "30.00"]
    assert {row["number"] for row in rows} == {"INV-00000001"}


@pytest.mark.parametrize("start", "=+-@\t\r")
def test_no_text_begins_a_formula(start: str) -> None:
    cell = text_cell(f'{start}a,"b"\r\nc')
    assert next(csv.reader(io.StringIO(csv_line([cell, None, 5])), strict=True))[0] == f'\'{start}a,"b"\r\nc'
    assert text_cell("a=b") == "a=b"
    assert text_cell("") == ""
    assert text_cell(None) is None
