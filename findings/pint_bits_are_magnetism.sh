#!/usr/bin/env bash
# 5 Gb are a magnetomotive force, 5 Tb an area, and a byte is the number 8
#
# Package:  pint 0.25.3, Python 3.11
# Expected: units of data are a dimension of their own, so that what is no data raises; "Gb" and "Tb", as bandwidth is
#           written, are bits, or unknown.
# Seen:     "5 Gb" is 5 gilbert, "5 Tb" 5 terabarn, "5 Gbps" 5 gigabaud. A byte has no dimension: a gigabyte and three
#           requests add up, to eight thousand million and three.
# Matters:  a unit that a customer writes is accepted as another quantity, and the check of dimensions, for which one
#           takes such a library, does not stop bytes from being added to counts.
# Instead:  a registry with `data = [data]` and units of its own for what is billed; a short list of accepted names.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "pint==0.25.3"

cat >"$folder/expected" <<'OUTPUT'
5 Gb is 5 gilbert
5 Tb is 5 terabarn
5 Gbps is 5 gigabaud
1 GB + 3 is 8000000003 dimensionless
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import pint

units = pint.UnitRegistry()
for text in ("5 Gb", "5 Tb", "5 Gbps"):
    print(text, "is", units(text))
added = (units.Quantity(1, "GB") + 3).to("dimensionless")
print("1 GB + 3 is", round(added.magnitude), added.units)
PYTHON

diff "$folder/expected" "$folder/seen"
