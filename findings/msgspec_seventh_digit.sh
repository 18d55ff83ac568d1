#!/usr/bin/env bash
# The time of an event in the last instant of a month
#
# Package:  msgspec 0.22.0, Python 3.11
# Expected: a time finer than a microsecond is cut to the microsecond, as `datetime.fromisoformat` of the standard
#           library does: 23:59:59.9999999 on 31 October stays in October.
# Seen:     msgspec rounds the seventh digit: the time becomes midnight of 1 November. A seventh digit below 5 is
#           cut.
# Matters:  senders on .NET, Go and Java write seven to nine digits. The event is counted in the next billing period, at
#           that period's prices and allowance, and two readers of one message disagree on the month.
# Instead:  cut the text to six digits before it is parsed, or take the time as text.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "msgspec==0.22.0"

cat >"$folder/expected" <<'OUTPUT'
2026-10-31T23:59:59.9999999Z
  standard library: 2026-10-31T23:59:59.999999+00:00
  msgspec:          2026-11-01T00:00:00+00:00
2026-10-31T23:59:59.999999499Z
  standard library: 2026-10-31T23:59:59.999999+00:00
  msgspec:          2026-10-31T23:59:59.999999+00:00
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from datetime import datetime

import msgspec

for text in ("2026-10-31T23:59:59.9999999Z", "2026-10-31T23:59:59.999999499Z"):
    print(text)
    print("  standard library:", datetime.fromisoformat(text).isoformat())
    print("  msgspec:         ", msgspec.json.decode(f'"{text}"', type=datetime).isoformat())
PYTHON

diff "$folder/expected" "$folder/seen"
