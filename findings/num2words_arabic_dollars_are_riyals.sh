#!/usr/bin/env bash
# An Arabic invoice over dollars or euros says riyals in words
#
# Package:  num2words 0.5.14, Python 3.11
# Expected: a currency that a language does not know is refused: English answers NotImplementedError for KWD. And the
#           words say the amount: 12.345 Kuwaiti dinars are 12 dinars and 345 fils, for a dinar has 1,000 of them.
# Seen:     Arabic knows EGP, KWD, SAR and TND. Any other currency is written as riyals and halalas, that of Saudi
#           Arabia, without a word. Dinars of Kuwait have 34 fils instead of 345; those of Tunisia are right.
# Matters:  where words and digits of an invoice differ, the words count in many countries. 1,000 euros become 1,000
#           riyals, less than a quarter of it.
# Instead:  allow pairs of language and currency that somebody has read, and print no words for the others.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "num2words==0.5.14"

cat >"$folder/expected" <<'OUTPUT'
SAR ألف ريال
EUR ألف ريال
USD ألف ريال
GBP ألف ريال
JPY ألف ريال
KWD اثنا عشر ديناراً و أربع و ثلاثون فلس
TND اثنا عشر ديناراً و ثلاثمائة و خمس و أربعون مليم
English: Currency code "KWD" not implemented for "Num2Word_EN"
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from decimal import Decimal

from num2words import num2words

for currency in ("SAR", "EUR", "USD", "GBP", "JPY"):
    print(currency, num2words(Decimal("1000.00"), lang="ar", to="currency", currency=currency))
for currency in ("KWD", "TND"):
    print(currency, num2words(Decimal("12.345"), lang="ar", to="currency", currency=currency))
try:
    print(num2words(Decimal("12.345"), lang="en", to="currency", currency="KWD"))
except NotImplementedError as error:
    print("English:", error)
PYTHON

diff "$folder/expected" "$folder/seen"
