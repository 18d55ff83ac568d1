#!/usr/bin/env bash
# A client that is told not to retry sends an event four times, and waits as long as a server says
#
# Package:  lago-python-client 1.55.0, Python 3.11
# Expected: `Client(max_retries=0, retry_on_rate_limit=False)` holds for all calls of the client: a 429 raises at once.
# Seen:     it holds for lists and look-ups. `events.create` and `events.batch_create` do not get the setting: they send
#           four times, and between them sleep for what `x-ratelimit-reset` says, at most 20 seconds each.
# Matters:  events are sent where the usage happens. A web request that reports usage, with retries turned off so that it
#           is quick, can stand still for a minute when the billing service is busy, with all threads of its process.
# Instead:  send events from a thread or a queue of its own. A server that wants to be left alone for a minute cannot say
#           so to this client.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "lago-python-client==1.55.0"

cat >"$folder/expected" <<'OUTPUT'
billable_metrics.find_all: 1 requests, sleeps []
events.create: 4 requests, sleeps [7.0, 7.0, 7.0]
events.batch_create: 4 requests, sleeps [7.0, 7.0, 7.0]
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from lago_python_client.client import Client
from lago_python_client.exceptions import LagoRateLimitError
from lago_python_client.models import BatchEvent, Event

requests, sleeps = [], []


class Busy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        requests.append(self.path)
        self.send_response(429)
        self.send_header("x-ratelimit-limit", "1")
        self.send_header("x-ratelimit-remaining", "0")
        self.send_header("x-ratelimit-reset", "7")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Busy)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Client(
    api_key="k", api_url=f"http://127.0.0.1:{server.server_port}/", max_retries=0, retry_on_rate_limit=False
)
event = Event(transaction_id="1", external_subscription_id="s", code="tokens")
time.sleep = sleeps.append
for name, call in (
    ("billable_metrics.find_all", client.billable_metrics.find_all),
    ("events.create", lambda: client.events.create(event)),
    ("events.batch_create", lambda: client.events.batch_create(BatchEvent(events=[event]))),
):
    requests.clear()
    sleeps.clear()
    try:
        call()
    except LagoRateLimitError:
        print(f"{name}: {len(requests)} requests, sleeps {sleeps}", flush=True)
PYTHON

diff "$folder/expected" "$folder/seen"
