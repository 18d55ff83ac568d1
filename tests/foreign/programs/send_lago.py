"""Lago's Python client as its users write it. Arguments: the address, the key."""

import sys

from lago_python_client.client import Client
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import BatchEvent, Event


def event(id, **more):
    return Event(
        **{
            "transaction_id": id,
            "external_subscription_id": "sub456",
            "code": "tokens",
            "timestamp": 1793534400,
            "properties": {"tokens": 15, "cost": 0.1, "tiny": 1e-07},
        }
        | more
    )


def main(address, key):
    client = Client(api_key=key, api_url=f"{address}/lago/")
    told = client.events.create(event("one"))
    print(told.transaction_id, told.external_subscription_id, told.code)
    client.events.create(event("one"))
    client.events.create(event("two", external_subscription_id="user123", timestamp="1793534400.5"))
    client.events.batch_create(BatchEvent(events=[event("three"), event("bad", code="has blanks"), event("four")]))
    print(client.events.create(event("late", timestamp=1793534400123)))
    for wrong, what in (("wrong", event("five")), (key, event("six", precise_total_amount_cents="1.5"))):
        try:
            Client(api_key=wrong, api_url=f"{address}/lago/").events.create(what)
        except LagoApiError as error:
            print(error.status_code, error.response["status"], error.response.get("code"))


main(*sys.argv[1:])
