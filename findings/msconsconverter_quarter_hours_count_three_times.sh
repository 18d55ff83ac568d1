#!/usr/bin/env bash
# Each quarter-hour of a meter's day is read three times
#
# Package:  msconsconverter 2.0.0, Python 3.11
# Expected: MSCONS has a segment QTY for each value, followed by two DTM with the beginning (163) and the end (164) of
#           its interval. What is read has a row for each: four quarter-hours of 1 kWh are four rows, 4 kWh.
# Seen:     15 rows and 15 kWh. From the first interval on a row is made at every segment, so a value has one row with
#           the interval before its own, one with half of each and its own; the last has one more for each segment at
#           the end of the file.
# Matters:  the sum is the energy on the bill: a customer's day becomes three, and nothing warns.
# Instead:  keep the last row of each beginning, and compare the number of rows with that of the file's QTY segments.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "msconsconverter==2.0.0"

cat >"$folder/expected" <<'OUTPUT'
1200 1300 1
1200 1300 1
1200 1215 1
1200 1215 1
1215 1215 1
1215 1230 1
1215 1230 1
1230 1230 1
1230 1245 1
1230 1245 1
1245 1245 1
1245 1300 1
1245 1300 1
1245 1300 1
1245 1300 1
15 rows, 15.0 kWh
OUTPUT

cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import logging
from pathlib import Path

from msconsconverter.msconsconverter import MSCONSConverter

EDGES = ("1200", "1215", "1230", "1245", "1300")
VALUES = "".join(
    f"QTY+220:1'DTM+163:20261130{begin}?+00:303'DTM+164:20261130{end}?+00:303'"
    for begin, end in zip(EDGES, EDGES[1:])
)
Path("mscons.txt").write_text(
    "UNA:+.? '"
    "UNB+UNOC:3+9900000000001:500+9900000000002:500+261130:1200+1'"
    "UNH+1+MSCONS:D:04B:UN:2.4c'BGM+7+1+9'DTM+137:202611301400?+00:303'"
    "NAD+MS+9900000000001::293'NAD+MR+9900000000002::293'UNS+D'NAD+DP'"
    "LOC+172+DE0001234567890000000000000001234'"
    "DTM+163:202611301200?+00:303'DTM+164:202611301300?+00:303'"
    f"LIN+1'PIA+5+1-1?:1.29.0:SRW'{VALUES}UNT+24+1'UNZ+1+1'"
)
converter = MSCONSConverter(target_dir=".", logger=logging.getLogger("mscons"))
logging.disable()
[rows] = converter.parse_mscons("mscons.txt")["qty"].values()
for value, begin, end in rows:
    print(begin[8:12], end[8:12], value)
print(len(rows), "rows,", sum(float(value) for value, _, _ in rows), "kWh")
PYTHON

diff "$folder/expected" "$folder/seen"
