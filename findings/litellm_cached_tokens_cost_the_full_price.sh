#!/usr/bin/env bash
# Cached tokens of a model of one's own are said to cost nothing, and cost the full price
#
# Package:  litellm 1.110.2, Python 3.11
# Expected: after register_model with the prices of input and output tokens, what its warning says: the cost of reading the
#           cache "will default to 0 for this model".
# Seen:     900 of 1,000 tokens from the cache cost as much as none from the cache: 0.001. With 0 stated in so many words
#           they are free, and the 100 others cost 0.0001.
# Matters:  who charges on what litellm reports (`response_cost`, which its callbacks send to meters) believes from the log
#           that cached prompts are left out, and charges ten times as much, or discounts them twice.
# Instead:  state `cache_read_input_token_cost` for each model, also where it is 0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "litellm==1.110.2"

cat >"$folder/expected" <<'OUTPUT'
the warning says that reading the cache costs 0: True
not stated: 0.001000 with nothing cached, 0.001000 with 900 of 1,000
stated as 0: 0.001000 with nothing cached, 0.000100 with 900 of 1,000
OUTPUT

LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null | tee "$folder/seen"
import logging

import litellm
from litellm.types.utils import PromptTokensDetailsWrapper, Usage

said = []
litellm.suppress_debug_info = True
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("LiteLLM").addHandler(handler)
PRICES = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "litellm_provider": "openai", "mode": "chat"}
litellm.register_model({"silent": PRICES, "stated": {**PRICES, "cache_read_input_token_cost": 0.0}})
warning = next(line for line in said if "model=silent" in line)
print("the warning says that reading the cache costs 0:", "cache_read_input_token_cost will default to 0" in warning)


def cost(model, cached):
    details = PromptTokensDetailsWrapper(cached_tokens=cached)
    usage = Usage(prompt_tokens=1000, completion_tokens=0, total_tokens=1000, prompt_tokens_details=details)
    return litellm.cost_per_token(model=model, usage_object=usage, custom_llm_provider="openai")[0]


for name, model in (("not stated", "silent"), ("stated as 0", "stated")):
    print(f"{name}: {cost(model, 0):.6f} with nothing cached, {cost(model, 900):.6f} with 900 of 1,000")
PYTHON

diff "$folder/expected" "$folder/seen"
