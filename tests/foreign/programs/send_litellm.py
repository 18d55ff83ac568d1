"""LiteLLM with its callbacks for OpenMeter and Lago, and an answer that it makes itself. Arguments: address, key."""

import asyncio
import os
import sys

address, key = sys.argv[1:]
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENMETER_API_ENDPOINT": f"{address}/openmeter",
    "OPENMETER_API_KEY": key,
    "OPENMETER_EVENT_TYPE": "tokens",
    "LAGO_API_BASE": f"{address}/lago",
    "LAGO_API_KEY": key,
    "LAGO_API_EVENT_CODE": "calls",
    "LAGO_API_CHARGE_BY": "end_user_id",
}
import litellm  # noqa: E402  it reads the environment

litellm.callbacks = ["openmeter", "lago"]


async def main():
    question = [{"role": "user", "content": "how are you"}]
    asked = {"body": {"user": "user123"}}
    for model in ("gpt-4o-mini", "a-model-without-a-price"):
        await litellm.acompletion(
            model=f"openai/{model}", messages=question, mock_response="well", user="user123", proxy_server_request=asked
        )
    await asyncio.sleep(3)


asyncio.run(main())
