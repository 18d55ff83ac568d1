#!/usr/bin/env bash
# An event that is read without a time gets the present as its time, another at each reading
#
# Package:  cloudevents 1.13.0, cloudevents 2.2.0, Python 3.11
# Expected: `time` is optional in CloudEvents 1.0, and an event that came without one has none when it is read: the
#           consumer can tell, and decides what holds then.
# Seen:     both readers put the time of the reading there, as if the sender had said it. The same message read twice is
#           two events that occurred at two times; the first version writes it into what it forwards.
# Matters:  usage is dated by its `time`. A message that a queue delivers again after midnight is usage of another day,
#           or of another month and invoice; and a repeat is no longer equal to what came first, so that a check for
#           contradictions finds one.
# Instead:  a consumer that bills reads `time` from the JSON or the header itself, and dates what has none once, when it
#           is stored.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/one"
"$folder/one/bin/python" -m pip install --quiet --disable-pip-version-check "cloudevents==1.13.0"
python3 -m venv "$folder/two"
"$folder/two/bin/python" -m pip install --quiet --disable-pip-version-check "cloudevents==2.2.0"

cat >"$folder/expected" <<'OUTPUT'
version 1: has a time True, the same time at both readings False, forwarded with a time True
version 2: has a time True, the same time at both readings False
OUTPUT

{
    "$folder/one/bin/python" - <<'PYTHON'
import json
import time

from cloudevents.conversion import to_structured
from cloudevents.http import from_http

body = json.dumps({"specversion": "1.0", "id": "1", "source": "service", "type": "tokens"}).encode()
headers = {"content-type": "application/cloudevents+json"}
first = from_http(headers, body)
time.sleep(0.01)
second = from_http(headers, body)
forwarded = "time" in json.loads(to_structured(first)[1])
same = first["time"] == second["time"]
print(f"version 1: has a time {bool(first['time'])}, the same time at both readings {same}, forwarded with a time {forwarded}")
PYTHON
    "$folder/two/bin/python" - <<'PYTHON'
import json
import time

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

body = json.dumps({"specversion": "1.0", "id": "1", "source": "service", "type": "tokens"}).encode()
headers = {"content-type": "application/cloudevents+json"}
first = from_structured_event(HTTPMessage(headers, body))
time.sleep(0.01)
second = from_structured_event(HTTPMessage(headers, body))
same = first.get_time() == second.get_time()
print(f"version 2: has a time {bool(first.get_time())}, the same time at both readings {same}")
PYTHON
} | tee "$folder/seen"

diff "$folder/expected" "$folder/seen"
