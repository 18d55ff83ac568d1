#!/usr/bin/env bash
# A thousand euros are ten in words
#
# Package:  num2words 0.5.14, Python 3.11
# Expected: 1000 and Decimal("1000") are one amount, and have the same words in a currency. A currency's places are
#           those of ISO 4217: the yen has none, and the dinar of Kuwait has 1,000 fils.
# Seen:     an int is a number of cents, whatever the currency: 1000 is ten euro, and 1000 yen are ten. Only a Decimal
#           or a float is the amount. 12.345 dinars have 35 fils. The README mentions neither.
# Matters:  where words and digits of an invoice differ, the words count in many countries. A sum of whole amounts is an
#           int as often as not, so a few invoices say a hundredth; those that were tried with cents are right.
# Instead:  pass Decimal(amount) always, and print no words in currencies that have not two places.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "num2words==0.5.14"

cat >"$folder/expected" <<'OUTPUT'
1000: ten euro, zero cents; dix euros et zéro centimes
Decimal('1000'): one thousand euro, zero cents; mille euros et zéro centimes
Decimal('1000.50'): one thousand euro, fifty cents; mille euros et cinquante centimes
diez yenes con cero sen
doce dinares con treinta y cinco fils
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from decimal import Decimal

from num2words import num2words

for amount in (1000, Decimal("1000"), Decimal("1000.50")):
    words = (num2words(amount, lang=lang, to="currency", currency="EUR") for lang in ("en", "fr"))
    print(f"{amount!r}:", "; ".join(words))
print(num2words(1000, lang="es", to="currency", currency="JPY"))
print(num2words(Decimal("12.345"), lang="es", to="currency", currency="KWD"))
PYTHON

diff "$folder/expected" "$folder/seen"
