"""OpenMeter's Python client asks too often. Arguments: the address, the key."""

import sys

from corehttp.exceptions import HttpResponseError
from openmeter import Client

address, key = sys.argv[1:]
client = Client(endpoint=f"{address}/openmeter", token=key, retry_total=0)
answers = []
try:
    while len(answers) < 5:
        answers.append(client.meters.list())
except HttpResponseError as error:
    print(type(error).__name__, len(answers), error.status_code, error.model.title)
