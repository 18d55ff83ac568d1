#!/usr/bin/env bash
# A meter shows 12.565, its telegram says 12.565, and the value that is read is below it
#
# Package:  pyMeterBus 0.8.5, Python 3.11
# Expected: a value on the M-Bus is a whole number and a power of ten: BCD 12565 and 10^-3 m3 is exactly 12.565, and the
#           library gives a Decimal.
# Seen:     the Decimal is made from a float product: 12.56499999999999950262...; to two places it is 12.56, where half up
#           gives 12.57.
# Matters:  billing by readings of water, heat or power rounds each of them; a Decimal looks as if it were exact.
# Instead:  round to as many places as the record has before anything else, or read with a library that keeps texts.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "pyMeterBus==0.8.5"

cat >"$folder/expected" <<'OUTPUT'
Decimal 12.5649999999999995026200849679298698902130126953125
to two places 12.56
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from decimal import ROUND_HALF_UP, Decimal

import meterbus

# The example telegram of the standard: a water meter with 12.565 m3.
TELEGRAM = "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 60 04 37 18 02 18 16"
record = meterbus.load(bytes.fromhex(TELEGRAM)).records[0]
value = record.value
print(type(value).__name__, value)
print("to two places", value.quantize(Decimal("0.01"), ROUND_HALF_UP))
PYTHON

diff "$folder/expected" "$folder/seen"
