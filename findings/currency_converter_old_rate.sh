#!/usr/bin/env bash
# A currency that ended is converted by its last rate, without a word; the other way round is refused
#
# Package:  CurrencyConverter 0.18.23 with the rates it brings, Python 3.11
# Expected: convert(amount, from, to) without a date takes the newest rates, and refuses a currency that has none since
#           2022, as it does when that currency is the second one.
# Seen:     the date is the last one of the *first* currency: 1,000 RUB become EUR by the rate of 1 March 2022, and USD
#           by that of the same day. EUR to RUB raises RateNotFoundError.
# Matters:  a report in one currency adds amounts of years ago to those of today, and a payment is compared with an
#           invoice by a rate that nobody has offered for years.
# Instead:  always give the date, and decide about a missing one yourself.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "CurrencyConverter==0.18.23"

cat >"$folder/expected" <<'OUTPUT'
RUB to EUR: the same as on 2022-03-01
RUB to USD: the same as on 2022-03-01
EUR to RUB: RateNotFoundError
USD to RUB: RateNotFoundError
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from datetime import date
from decimal import Decimal

from currency_converter import CurrencyConverter, RateNotFoundError

rates = CurrencyConverter(decimal=True)
amount = Decimal(1000)
for source, target in (("RUB", "EUR"), ("RUB", "USD"), ("EUR", "RUB"), ("USD", "RUB")):
    try:
        seen = rates.convert(amount, source, target)
    except RateNotFoundError as error:
        print(f"{source} to {target}: {type(error).__name__}")
    else:
        old = rates.convert(amount, source, target, date=date(2022, 3, 1))
        print(f"{source} to {target}: {'the same as on 2022-03-01' if seen == old else 'another rate'}")
PYTHON

diff "$folder/expected" "$folder/seen"
