#!/usr/bin/env bash
# Two customers' equal payments become one
#
# Package:  csv2ofx 0.34.2, Python 3.11
# Expected: each transaction of an OFX file has a FITID of its own: what reads the file knows by it which transactions
#           it has already, and skips those (OFX, 3.2.3).
# Seen:     where the table has no column for it, the FITID is a hash of day, amount, payee and text. Two payments of a
#           day with the same text have the same FITID.
# Matters:  customers of one plan pay the same amount on the same day, and card providers write one text for all. The
#           accounting program takes the first and leaves the others out, so their invoices stay open.
# Instead:  give a column with a number for each line as `id`, and compare the number of FITIDs with that of the lines.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "csv2ofx==0.34.2"

cat >"$folder/expected" <<'OUTPUT'
49.00 e54155b93072d4f6757100096c80f1b2
49.00 e54155b93072d4f6757100096c80f1b2
12.00 bdd53a0d8e8765d44aa726eedd16599b
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import re
from operator import itemgetter

from csv2ofx.ofx import OFX
from csv2ofx.utils import gen_data

FIELDS = ("Date", "Amount", "Payee", "Memo", "Account")
LINES = (
    ("2026-11-30", "49.00", "Monthly plan", "Card payment", "Company"),
    ("2026-11-30", "49.00", "Monthly plan", "Card payment", "Company"),
    ("2026-11-30", "12.00", "Addon", "Card payment", "Company"),
)
columns = {"account": "Account", "date": "Date", "amount": "Amount", "payee": "Payee", "desc": "Memo"}
ofx = OFX({"has_header": True} | {name: itemgetter(column) for name, column in columns.items()})
groups = ofx.gen_groups(dict(zip(FIELDS, line)) for line in LINES)
body = "".join(ofx.gen_body(gen_data(ofx.clean_trxns(ofx.gen_trxns(groups)))))
for amount, number in re.findall(r"<TRNAMT>(.+?)</TRNAMT>\s*<FITID>(.+?)</FITID>", body):
    print(amount, number)
PYTHON

diff "$folder/expected" "$folder/seen"
