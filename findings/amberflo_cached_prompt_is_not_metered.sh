#!/usr/bin/env bash
# The cached part of a prompt is metered for one provider and not for the other
#
# Package:  amberflo-metering-python 3.3.1 with anthropic 2.14.0 and openai 3.57.0, Python 3.11
# Expected: the meter `input_tokens` counts the tokens of the prompt, the same for the same prompt.
# Seen:     it is what each provider calls by that name: of a prompt of 1,000 tokens with 900 from the cache, 1,000 for
#           OpenAI, where cached tokens are part of `prompt_tokens`, and 100 for Anthropic, where they stand beside
#           `input_tokens`. The 900 are in no event.
# Matters:  the provider charges for reading, and more for writing its cache. Customers with long prompts that repeat are
#           billed for a tenth, and the meters of two models cannot be compared.
# Instead:  send the four kinds of tokens as an event of your own, and price cached ones by a dimension.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "amberflo-metering-python==3.3.1" "anthropic==2.14.0" "openai==3.57.0"

cat >"$folder/expected" <<'OUTPUT'
anthropic [100, 20]
openai [1000, 20]
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from anthropic.types import Message
from metering.llms import extract_ingest_messages
from openai.types.chat import ChatCompletion

ANTHROPIC = Message.model_validate(
    {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 20},
    }
)
OPENAI = ChatCompletion.model_validate(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 20,
            "total_tokens": 1020,
            "prompt_tokens_details": {"cached_tokens": 900},
        },
    }
)
for name, answer in (("anthropic", ANTHROPIC), ("openai", OPENAI)):
    events = extract_ingest_messages(llm_response=answer, customer_id="c", aflo_dimensions={})
    print(name, [event["meterValue"] for event in events])
PYTHON

diff "$folder/expected" "$folder/seen"
