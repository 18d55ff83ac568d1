#!/usr/bin/env bash
# Monthly periods from 1 January begin on 31 January
#
# Package:  aniso8601 10.0.1, Python 3.11
# Expected: P1M is a calendar month and P1Y a calendar year (ISO 8601): R4/2026-01-01/P1M begins on the first of four
#           months, and 2028-01-01/P1Y ends with the year. App stores and billing services write their periods so.
# Seen:     a month is 30 days and a year 365: 1 January, 31 January, 2 March, 1 April, and 2028 ends as its 31 December
#           begins. The README says so in one sentence, and nothing says it at run time.
# Matters:  twelve months are 360 days. A monthly plan begins again five days too early each year, and January of 2026
#           has two beginnings and February none.
# Instead:  keep the number and the unit, and count from the first anchor: the third period begins at the anchor plus
#           two calendar months. The package takes another builder, with calendar months.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "aniso8601==10.0.1"

cat >"$folder/expected" <<'OUTPUT'
begins: 2026-01-01 2026-01-31 2026-03-02 2026-04-01
the year 2028: 2028-01-01 2028-12-31
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import aniso8601

print("begins:", *aniso8601.parse_repeating_interval("R4/2026-01-01/P1M"))
print("the year 2028:", *aniso8601.parse_interval("2028-01-01/P1Y"))
PYTHON

diff "$folder/expected" "$folder/seen"
