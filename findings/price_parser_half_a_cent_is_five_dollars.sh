#!/usr/bin/env bash
# A price of half a cent is read as five dollars
#
# Package:  price-parser 0.5.1, Python 3.11
# Expected: a number that begins with "0." has a decimal point, whatever the number of digits behind it: no thousands are
#           grouped behind a zero.
# Seen:     with exactly three digits behind the point, it separates thousands: "0.005" is 5, while
#           "0.05" and "0.0005" are read as they stand. Dinars, which have three decimals, are a thousand times as much.
# Matters:  prices per call, token or gigabyte have three decimals all the time. A price list that is taken in this way
#           charges a thousand times the price, for some lines of it.
# Instead:  say which sign it is: Price.fromstring(text, decimal_separator=".") reads all of them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "price-parser==0.5.1"

cat >"$folder/expected" <<'OUTPUT'
USD 0.05 per call: 0.05, with the separator named 0.05
USD 0.005 per call: 5, with the separator named 0.005
USD 0.0005 per call: 0.0005, with the separator named 0.0005
KWD 1.250: 1250, with the separator named 1.250
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from price_parser import Price

for text in ("USD 0.05 per call", "USD 0.005 per call", "USD 0.0005 per call", "KWD 1.250"):
    named = Price.fromstring(text, decimal_separator=".").amount
    print(f"{text}: {Price.fromstring(text).amount}, with the separator named {named}")
PYTHON

diff "$folder/expected" "$folder/seen"
