"""LiteLLM with one of its callbacks, which the fifth argument names, by ``cases``.

It raises nothing: a report that is refused is lost, and the model call goes on. It names a case by the model.
"""

import asyncio
import os
import sys

callback = sys.argv[5]
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENMETER_API_KEY": "set for each report",
    "OPENMETER_EVENT_TYPE": "tokens",
    "LAGO_API_BASE": "set for each report",
    "LAGO_API_KEY": "set for each report",
    "LAGO_API_EVENT_CODE": "tokens",
    "LAGO_API_CHARGE_BY": "end_user_id",
}
import litellm  # noqa: E402  it reads the environment
from cases import go_through  # noqa: E402
from litellm.integrations.custom_logger import CustomLogger  # noqa: E402

reported = asyncio.Event()


class Reported(CustomLogger):
    """Is told of a model call after the callback before it."""

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        reported.set()


litellm.callbacks = [callback, Reported()]
litellm.suppress_debug_info = True
loop = asyncio.new_event_loop()


def send(address, key, case, bad=False):
    os.environ |= {"OPENMETER_API_ENDPOINT": f"{address}/openmeter", "OPENMETER_API_KEY": key}
    os.environ |= {"LAGO_API_BASE": f"{address}/lago", "LAGO_API_KEY": key}
    loop.run_until_complete(complete(case, "has blanks" if bad else "user123"))


async def complete(case, user):
    answer = {"id": case, "choices": [{"message": {"role": "assistant", "content": "well"}}]}
    await litellm.acompletion(
        model=f"openai/{case}",
        messages=[{"role": "user", "content": "how are you"}],
        mock_response=answer,
        user=user,
        proxy_server_request={"body": {"user": user}},
    )
    await reported.wait()
    reported.clear()


go_through(send)
