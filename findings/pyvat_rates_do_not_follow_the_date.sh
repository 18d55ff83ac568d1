#!/usr/bin/env bash
# The VAT of a day is that of an earlier year, whatever day is asked for
#
# Package:  pyvat 1.3.18, Python 3.11
# Expected: get_sale_vat_charge takes the date of the sale, so it gives the rate of that day: since September 2024
#           Finland has 25.5 %, since January 2025 Slovakia 23 %, since July 2025 Estonia 24 %, since August 2025
#           Romania 21 %.
# Seen:     24, 20, 22 and 19, for every date that is given.
# Matters:  an invoice with too little tax is wrong for the tax office, and the difference is the seller's to pay.
# Instead:  keep rates with the dates from which they hold, as data of your own that somebody answers for.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "pyvat==1.3.18"

cat >"$folder/expected" <<'OUTPUT'
FI 2024-08-01: 24, 2026-11-01: 24
SK 2024-08-01: 20, 2026-11-01: 20
EE 2024-08-01: 22, 2026-11-01: 22
RO 2024-08-01: 19, 2026-11-01: 19
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from datetime import date

from pyvat import ItemType, Party, get_sale_vat_charge


def rate(country, day):
    buyer, seller = Party(country_code=country, is_business=False), Party(country_code="FR", is_business=True)
    return get_sale_vat_charge(day, ItemType.generic_electronic_service, buyer, seller).rate


for country in ("FI", "SK", "EE", "RO"):
    days = (date(2024, 8, 1), date(2026, 11, 1))
    print(country, ", ".join(f"{day}: {rate(country, day)}" for day in days))
PYTHON

diff "$folder/expected" "$folder/seen"
