#!/usr/bin/env bash
# An accessible invoice is none any more when its XML is attached
#
# Package:  factur-x 7.8 (pypdf 7.1.1) on a file of typst 0.15.2 with the XML of drafthorse 2025.2.0, Python 3.11
# Expected: attaching a file to a PDF/A-3 leaves the document as it is: typst made it PDF/A-3a and PDF/UA-1, tagged, with
#           a title and the date of the invoice.
# Seen:     the metadata are written anew: conformance B for A, no PDF/UA, another title, and the creation date is now. The
#           tags are still there, but the file no longer claims what it keeps, and two runs differ.
# Matters:  public buyers ask for accessible documents, and archives compare bytes: a document that is made again has to
#           be the same.
# Instead:  let the typesetter attach the XML (typst has pdf.attach) and write the metadata of the profile itself.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "factur-x==7.8" "pypdf==7.1.1" "typst==0.15.2" "drafthorse==2025.2.0"

cat >"$folder/expected" <<'OUTPUT'
by typst: PDF/A-3A, PDF/UA 1, Invoice 1, 2026-11-30
attached: PDF/A-3B, PDF/UA -, S: Invoice 1, now
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import io
import re
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import typst
from drafthorse.models.accounting import ApplicableTradeTax
from drafthorse.models.document import Document
from drafthorse.models.tradelines import LineItem
from facturx import generate_from_binary
from pypdf import PdfReader


def invoice():
    document = Document()
    document.context.guideline_parameter.id = "urn:cen.eu:en16931:2017"
    document.header.id, document.header.type_code = "1", "380"
    document.header.issue_date_time = date(2026, 11, 30)
    for party, name in ((document.trade.agreement.seller, "S"), (document.trade.agreement.buyer, "B")):
        party.name, party.address.country_id = name, "DE"
    line = LineItem()
    line.document.line_id, line.product.name = "1", "calls"
    line.agreement.net.amount = Decimal("100.00")
    line.delivery.billed_quantity = (Decimal(1), "C62")
    line.settlement.monetary_summation.total_amount = Decimal("100.00")
    tax = ApplicableTradeTax()
    tax.calculated_amount, tax.basis_amount = Decimal("19.00"), Decimal("100.00")
    for one in (line.settlement.trade_tax, tax):
        one.type_code, one.category_code, one.rate_applicable_percent = "VAT", "S", Decimal("19.00")
    document.trade.items.add(line)
    settlement = document.trade.settlement
    settlement.payee.name, settlement.invoicee.name, settlement.currency_code = "S", "B", "EUR"
    settlement.payment_means.type_code = "ZZZ"
    settlement.trade_tax.add(tax)
    total = settlement.monetary_summation
    total.line_total = total.tax_basis_total = Decimal("100.00")
    total.charge_total = total.allowance_total = Decimal("0.00")
    total.tax_total = (Decimal("19.00"), "EUR")
    total.grand_total = total.due_amount = Decimal("119.00")
    return document.serialize(schema="FACTUR-X_EXTENDED")


def told(name, pdf):
    reader = PdfReader(io.BytesIO(pdf))
    metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    part, level = (re.search(rf"pdfaid:{one}>(\w)", metadata)[1] for one in ("part", "conformance"))
    accessible = re.search(r"pdfuaid:part>(\w)", metadata)
    made = reader.metadata.creation_date
    day = "now" if abs((datetime.now(UTC) - made).total_seconds()) < 600 else made.date()
    title = re.sub(r"^(\w+: Invoice \d).*", r"\1", reader.metadata.title)
    print(f"{name}: PDF/A-{part}{level}, PDF/UA {accessible[1] if accessible else chr(45)}, {title}, {day}")


SOURCE = """#set document(title: "Invoice 1", date: datetime(year: 2026, month: 11, day: 30))
= Invoice 1
#table(columns: 2, [calls], [100.00])
"""
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "invoice.typ"
    path.write_text(SOURCE)
    pdf = typst.compile(str(path), format="pdf", pdf_standards=["a-3a", "ua-1"])
told("by typst", pdf)
told("attached", generate_from_binary(pdf, invoice(), flavor="factur-x", level="extended"))
PYTHON

diff "$folder/expected" "$folder/seen"
