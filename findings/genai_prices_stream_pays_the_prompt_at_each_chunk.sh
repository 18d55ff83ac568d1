#!/usr/bin/env bash
# A prompt whose answer is streamed is paid for once per chunk
#
# Package:  genai-prices 0.2.3, Python 3.11
# Expected: usage that was extracted from answers can be added up; the method that does so says it serves to price all
#           chunks of a stream. A streamed answer then costs what the same answer costs in one piece.
# Seen:     Gemini counts on: each chunk names the tokens of the whole prompt, and those of the answer so far. Their sum
#           has five prompts in it and costs 4.7 times as much as the answer.
# Matters:  customers whose answers are streamed are billed several times what the others are, the more so the longer
#           the prompt and the more chunks there are.
# Instead:  price the usage of the last chunk alone, and add up whole answers only.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "genai-prices==0.2.3"

cat >"$folder/expected" <<'OUTPUT'
last chunk Usage(input_tokens=20000, output_tokens=500) 0.00725
sum Usage(input_tokens=100000, output_tokens=1500) 0.03375
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from datetime import datetime, timezone

from genai_prices import extract_usage

WHEN = datetime(2026, 11, 30, tzinfo=timezone.utc)
CHUNKS = [
    {
        "candidates": [{"content": {"parts": [{"text": "..."}], "role": "model"}, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 20_000,
            "candidatesTokenCount": so_far,
            "totalTokenCount": 20_000 + so_far,
        },
        "modelVersion": "gemini-2.5-flash",
    }
    for so_far in (100, 200, 300, 400, 500)
]
chunks = [extract_usage(chunk, provider_id="google") for chunk in CHUNKS]
for name, used in (("last chunk", chunks[-1]), ("sum", sum(chunks[1:], chunks[0]))):
    print(name, used.usage, used.calc_price(genai_request_timestamp=WHEN).total_price)
PYTHON

diff "$folder/expected" "$folder/seen"
