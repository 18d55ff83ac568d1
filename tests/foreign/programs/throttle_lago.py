"""Lago's Python client asks too often. Arguments: the address, the key."""

import sys

from lago_python_client.client import Client
from lago_python_client.exceptions import LagoRateLimitError

address, key = sys.argv[1:]
client = Client(api_key=key, api_url=f"{address}/lago/", max_retries=0, retry_on_rate_limit=False)
answers = []
try:
    while len(answers) < 5:
        answers.append(client.billable_metrics.find_all())
except LagoRateLimitError as error:
    print(type(error).__name__, len(answers), error.limit, error.remaining, 1 <= error.reset <= 60)
