"""Lago's Python client, by ``cases``."""

from cases import go_through
from lago_python_client.client import Client
from lago_python_client.models import BatchEvent, Event


def event(case, bad=False):
    code = "has blanks" if bad or case == "bad" else "tokens"
    return Event(transaction_id=case, external_subscription_id="sub456", code=code, properties={"case": case})


def send(address, key, case, bad=False):
    Client(api_key=key, api_url=f"{address}/lago/").events.create(event(case, bad))


def batch(address, key, cases):
    many = BatchEvent(events=[event(case) for case in cases])
    Client(api_key=key, api_url=f"{address}/lago/").events.batch_create(many)


go_through(send, batch)
