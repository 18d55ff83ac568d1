#!/usr/bin/env bash
# The decimals of a currency on an invoice
#
# Package:  Babel 2.19.0, Python 3.11; iso4217 1.16.20260101 for the standard's digits
# Expected: an amount in forints or Colombian pesos is printed with the two decimals that ISO 4217 gives these
#           currencies.
# Seen:     `format_currency` prints none, and rounds, half to even, also where the pattern asks for two. It does so for
#           15 currencies: Babel takes the digits of Unicode's CLDR, not those of ISO 4217.
# Matters:  an invoice with three items of 10.50 and a total of 31.50 shows 10 + 10 + 10 = 32, and a price of 99.99 pesos
#           shows as 100. The customer pays another amount than the document says.
# Instead:  format with explicit digits from ISO 4217, and `currency_digits=False`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "Babel==2.19.0" "iso4217==1.16.20260101"

cat >"$folder/expected" <<'OUTPUT'
three items of 10.50 HUF: HUF 10 + HUF 10 + HUF 10 = HUF 32
a price of 99.99 COP: COP 100
decimals of ISO 4217 and of Babel: HUF 2 and 0, COP 2 and 0
fewer decimals than ISO 4217: AFN ALL COP HUF IDR IQD IRR KPW LAK LBP MGA MMK SOS SYP YER
with explicit digits: HUF 10.50
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency


def text(amount, currency):
    return format_currency(Decimal(amount), currency, "¤¤ #,##0.00", locale="en_US")


item = text("10.50", "HUF")
print(f"three items of 10.50 HUF: {item} + {item} + {item} = {text('31.50', 'HUF')}")
print(f"a price of 99.99 COP: {text('99.99', 'COP')}")
both = (f"{code} {Currency(code).exponent} and {get_currency_precision(code)}" for code in ("HUF", "COP"))
print(f"decimals of ISO 4217 and of Babel: {', '.join(both)}")
known = {currency.value: currency.exponent for currency in Currency if currency.exponent is not None}
fewer = sorted(code for code, exponent in known.items() if get_currency_precision(code) < exponent)
print(f"fewer decimals than ISO 4217: {' '.join(fewer)}")
explicit = format_currency(Decimal("10.50"), "HUF", "¤¤ #,##0.00", locale="en_US", currency_digits=False)
print(f"with explicit digits: {explicit}")
PYTHON

diff "$folder/expected" "$folder/seen"
