#!/usr/bin/env bash
# A unit price below a millionth cannot be written into an invoice
#
# Package:  drafthorse 2025.2.0, Python 3.11
# Expected: Decimal("0.0000001") is written as 0.0000001, for the fields are xs:decimal, which has no exponent.
# Seen:     the element holds str() of the Decimal: 1E-7, and 1E+3 for a quantity that arithmetic left in that form. With
#           the schema check that is on by default the invoice is refused; with schema=None it is written, and whoever
#           receives it refuses it.
# Matters:  prices of a request, a token or a byte are that small. All invoices of a run come out but those.
# Instead:  state such prices for a larger basis quantity (1,000,000 pieces), and give numbers as format(value, "f") does.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "drafthorse==2025.2.0"

cat >"$folder/expected" <<'OUTPUT'
0.000001 is written as 0.000001
0.0000001 is written as 1E-7
1000 is written as 1E+3
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import re
from decimal import Decimal

from drafthorse.models.document import Document
from drafthorse.models.tradelines import LineItem


def written(price, quantity):
    line = LineItem()
    line.agreement.net.amount = price
    line.delivery.billed_quantity = (quantity, "C62")
    document = Document()
    document.trade.items.add(line)
    xml = document.serialize(schema=None).decode()
    return re.findall(r"<ram:(?:ChargeAmount|BilledQuantity)[^>]*>([^<]*)<", xml)


print("0.000001 is written as", written(Decimal("0.000001"), Decimal(1))[0])
print("0.0000001 is written as", written(Decimal("0.0000001"), Decimal(1))[0])
print("1000 is written as", written(Decimal(1), Decimal("1000.0").normalize())[1])
PYTHON

diff "$folder/expected" "$folder/seen"
