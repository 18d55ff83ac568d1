"""OpenMeter's Python client, by ``cases``; with ``aio`` as the fifth argument the asynchronous one."""

import asyncio
import sys

import openmeter.aio
from cases import go_through
from openmeter import Client


def event(case, bad=False):
    kind = "has blanks" if bad or case == "bad" else "tokens"
    data = {"case": case}
    return {"id": case, "source": "svc", "specversion": "1.0", "type": kind, "subject": "user123", "data": data}


def send(address, key, case, bad=False):
    Client(endpoint=f"{address}/openmeter", token=key).events.ingest_event(event(case, bad))


def batch(address, key, cases):
    Client(endpoint=f"{address}/openmeter", token=key).events.ingest_events([event(case) for case in cases])


def send_aio(address, key, case, bad=False):
    asyncio.run(ingest(address, key, "ingest_event", event(case, bad)))


def batch_aio(address, key, cases):
    asyncio.run(ingest(address, key, "ingest_events_json", [event(case) for case in cases]))


async def ingest(address, key, call, what):
    async with openmeter.aio.Client(endpoint=f"{address}/openmeter", token=key) as client:
        await getattr(client.events, call)(what)


go_through(send_aio, batch_aio) if "aio" in sys.argv[5:] else go_through(send, batch)
