#!/usr/bin/env bash
# A payment that the bank took back is read as a payment received
#
# Package:  mt-940 5.1.1, Python 3.11
# Expected: field 61 of a statement has four marks: C, D, RC (a credit is reversed: money leaves) and RD (a debit is
#           reversed: money comes back). Amounts are signed, so D and RC are negative.
# Seen:     only D is negative. RC has a positive amount like C, and RD is right by luck. The statement below begins
#           with 1,000.00 and ends with 1,050.00; what was read adds up to 1,150.00, and nothing says so.
# Matters:  a direct debit or a transfer that bounces comes as RC. Who marks invoices paid by what is read counts the
#           payment twice instead of not at all.
# Instead:  take the sign from `status`, and compare each statement with its own two balances before using it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "mt-940==5.1.1"

cat >"$folder/expected" <<'OUTPUT'
C 100.00
RC -50.00 is expected, read as 50.00
opening 1000.00 + read 150.00 = 1150.00, closing 1050.00
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import mt940

STATEMENT = """:20:STATEMENT
:25:12345678/0123456789
:28C:00001/001
:60F:C261129EUR1000,00
:61:2611301130C100,00NTRFNONREF
:86:invoice 1
:61:2611301130RC50,00NTRFNONREF
:86:invoice 2, reversed
:62F:C261130EUR1050,00
"""
read = mt940.parse(STATEMENT)
credit, reversal = (one.data for one in read)
print(credit["status"], credit["amount"].amount)
print(reversal["status"], "-50.00 is expected, read as", reversal["amount"].amount)
opening, closing = (read.data[name].amount.amount for name in ("final_opening_balance", "final_closing_balance"))
total = sum(one.data["amount"].amount for one in read)
print(f"opening {opening} + read {total} = {opening + total}, closing {closing}")
PYTHON

diff "$folder/expected" "$folder/seen"
