#!/usr/bin/env bash
# What a charging station calls its own data arrives, and leaves, under another name
#
# Package:  ocpp 2.1.0, Python 3.11
# Expected: names of OCPP itself become snake_case for Python and are turned back; what stands inside `customData` is the
#           vendor's own and goes through as it is.
# Seen:     every name at every depth is changed, and not every one comes back: `tariff_id` leaves as `tariffId`, `OCMF`
#           as `ocmf`, `meter_kWh` arrives as `meter_k_wh` and leaves as `meterKWh`.
# Matters:  signed readings and tariffs of stations travel in such fields; the other side finds none, and bills by
#           default. A signature over the names no longer fits.
# Instead:  read such fields by the changed name, or from the raw message (`route_message`), and answer with names in
#           camelCase only.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "ocpp==2.1.0"

cat >"$folder/expected" <<'OUTPUT'
tariffId: arrives as tariff_id, leaves as tariffId
tariff_id: arrives as tariff_id, leaves as tariffId
OCMF: arrives as ocmf, leaves as ocmf
meter_kWh: arrives as meter_k_wh, leaves as meterKWh
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case

for name in ("tariffId", "tariff_id", "OCMF", "meter_kWh"):
    arrived = camel_to_snake_case({"customData": {"vendorId": "com.example", name: "1"}})
    left = snake_to_camel_case(arrived)
    names = (next(one for one in data if one not in ("vendor_id", "vendorId")) for data in (*arrived.values(), *left.values()))
    print(f"{name}: arrives as {next(names)}, leaves as {next(names)}")
PYTHON

diff "$folder/expected" "$folder/seen"
