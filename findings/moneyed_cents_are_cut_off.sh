#!/usr/bin/env bash
# 19.999 dollars are 1,999 cents
#
# Package:  py-moneyed 3.0, Python 3.11
# Expected: `get_amount_in_sub_unit()` rounds as `round()` of the same class does, or refuses what is no whole number of
#           cents.
# Seen:     the rest is cut off: 19.999 USD give 1999 cents, beside 20.00 by `round(2)`; -19.999 give -1999, towards zero.
# Matters:  sub-units are what payment providers take. Usage priced below a cent is charged a cent less than the invoice
#           says, for each amount that was not rounded before.
# Instead:  round first, by the rule that the invoice states: `get_amount_in_sub_unit` of an amount that has no rest.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "py-moneyed==3.0"

cat >"$folder/expected" <<'OUTPUT'
19.999: round(2) 20.00, sub-units 1999
0.009: round(2) 0.01, sub-units 0
-19.999: round(2) -20.00, sub-units -1999
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from moneyed import Money

for amount in ("19.999", "0.009", "-19.999"):
    money = Money(amount, "USD")
    print(f"{amount}: round(2) {money.round(2).amount}, sub-units {money.get_amount_in_sub_unit()}")
PYTHON

diff "$folder/expected" "$folder/seen"
