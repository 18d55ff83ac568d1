#!/usr/bin/env bash
# A filter of a meter query arrives as the text of a Python dict
#
# Package:  openmeter 1.0.0b236 (corehttp 1.0.0b7, cloudevents 1.13.0), Python 3.11
# Expected: `meters.query_json(slug, filter_group_by={"model": "gpt"})` asks for filterGroupBy[model]=gpt, as the npm
#           client of the same version line does and the API's description has it: style deepObject, explode true.
# Seen:     the parameter is filterGroupBy={'model': 'gpt'}: the dict's own text, with Python's quotes, which is no JSON
#           either. Lists go as they should: subject=a&subject=b.
# Matters:  a server that passes over a spelling which it does not know answers with the usage of all models. The number
#           is larger, of the same form, and may stand on an invoice.
# Instead:  a server reads both spellings, or refuses what it does not know. A caller uses `meters.query` with a body.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "openmeter==1.0.0b236" "corehttp==1.0.0b7" "cloudevents==1.13.0"

cat >"$folder/expected" <<'OUTPUT'
GET filterGroupBy={'model': 'gpt'}
GET subject=a&subject=b
POST {"filterGroupBy": {"model": ["gpt"]}}
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote_plus, urlsplit

from openmeter import Client


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        print("GET", unquote_plus(urlsplit(self.path).query), flush=True)
        self.answer()

    def do_POST(self):
        print("POST", json.dumps(json.loads(self.rfile.read(int(self.headers["Content-Length"])))), flush=True)
        self.answer()

    def answer(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"data": []}')

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Client(endpoint=f"http://127.0.0.1:{server.server_port}", token="t")
client.meters.query_json("tokens", filter_group_by={"model": "gpt"})
client.meters.query_json("tokens", subject=["a", "b"])
client.meters.query("tokens", {"filterGroupBy": {"model": ["gpt"]}})
PYTHON

diff "$folder/expected" "$folder/seen"
