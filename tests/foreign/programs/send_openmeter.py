"""OpenMeter's Python client, sync and async, as its users write it. Arguments: the address, the key."""

import asyncio
import datetime
import sys

import openmeter.aio
from corehttp.exceptions import HttpResponseError
from openmeter import Client

WHEN = datetime.datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=datetime.UTC)


def event(id, **more):
    return {
        "id": id,
        "source": "svc",
        "specversion": "1.0",
        "type": "tokens",
        "subject": "user123",
        "time": WHEN,
        "data": {"tokens": 15, "cost": 0.1, "tiny": 1e-07, "big": 2**60, "text": "7", "nothing": None},
    } | more


def main(address, key):
    client = Client(endpoint=f"{address}/openmeter", token=key)
    client.events.ingest_event(event("one"))
    client.events.ingest_event(event("one"))
    client.events.ingest_events([event("two"), event("three")])
    client.events.ingest_events_json([event("four"), event("bad", type="no such thing, for it has blanks")])
    asyncio.run(asynchronously(address, key))
    try:
        Client(endpoint=f"{address}/openmeter/", token="wrong").events.ingest_event(event("five"))
    except HttpResponseError as error:
        print(error.status_code, type(error).__name__)


async def asynchronously(address, key):
    async with openmeter.aio.Client(endpoint=f"{address}/openmeter", token=key) as client:
        await client.events.ingest_events([event("six"), event("six")])


main(*sys.argv[1:])
