#!/usr/bin/env bash
# A meter that counts in UTC sends times without a time zone
#
# Package:  dlms-cosem 25.1.0, Python 3.11
# Expected: a date-time of DLMS has the deviation from local time to UTC in minutes, and 0x8000 where none is stated
#           (Blue Book, date and time formats). 0 is UTC; only 0x8000 gives a datetime without a time zone.
# Seen:     0 is read as 0x8000 is: without a time zone. A datetime in UTC that the package itself wrote comes back
#           without one. Readings of a meter in London have a time zone in summer and none in winter.
# Matters:  a time without a zone is that of the server to `timestamp()` and to most databases. Readings of a winter
#           move into another day, or another month, wherever the server is not in UTC.
# Instead:  look at the two bytes of the deviation, and say UTC yourself where they are zero.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "dlms-cosem==25.1.0"

cat >"$folder/expected" <<'OUTPUT'
deviation 8000: 2026-12-01T00:00:00
deviation 0000: 2026-12-01T00:00:00
deviation ffc4: 2026-12-01T00:00:00+01:00
written 2026-12-01T00:00:00+00:00, read 2026-12-01T00:00:00
read in New York it is the UTC time 2026-12-01T05:00:00+00:00
OUTPUT

TZ=America/New_York "$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from datetime import datetime, timezone

from dlms_cosem.time import datetime_from_bytes, datetime_to_bytes

MIDNIGHT = bytes.fromhex("07ea 0c01 ff 00000000")
for deviation in ("8000", "0000", "ffc4"):
    when, _ = datetime_from_bytes(MIDNIGHT + bytes.fromhex(deviation) + b"\0")
    print(f"deviation {deviation}: {when.isoformat()}")
written = datetime(2026, 12, 1, tzinfo=timezone.utc)
read, _ = datetime_from_bytes(datetime_to_bytes(written))
print(f"written {written.isoformat()}, read {read.isoformat()}")
print("read in New York it is the UTC time", datetime.fromtimestamp(read.timestamp(), timezone.utc).isoformat())
PYTHON

diff "$folder/expected" "$folder/seen"
