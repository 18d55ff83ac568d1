#!/usr/bin/env bash
# A customer that is passed by position is metered as "test_customer"
#
# Package:  amberflo-metering-python 3.3.1 with openai 3.57.0, Python 3.11
# Expected: the decorator `meter_llm` takes the argument `customer_id` of the function that it wraps, or raises where it
#           finds none.
# Seen:     it looks among the keyword arguments alone. ask("acme", ...) is metered for a customer named test_customer,
#           ask(customer_id="acme", ...) for acme; nothing is raised or logged.
# Matters:  the usage of all such calls is on one account that nobody pays, and the totals of the service are right, so
#           that no comparison shows it.
# Instead:  give a `customer_id_getter` of your own that raises, and make the argument keyword-only.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "amberflo-metering-python==3.3.1" "openai==3.57.0"

cat >"$folder/expected" <<'OUTPUT'
by position: test_customer
by name: acme
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from metering.llms import meter_llm
from openai.types.chat import ChatCompletion

ANSWER = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


class Client:
    def send(self, event):
        self.event = event


client = Client()


@meter_llm(metering_client=client)
def ask(customer_id, prompt):
    return ChatCompletion.model_validate({**ANSWER, "usage": USAGE})


ask("acme", prompt="x")
print("by position:", client.event["customerId"])
ask(customer_id="acme", prompt="x")
print("by name:", client.event["customerId"])
PYTHON

diff "$folder/expected" "$folder/seen"
