"""Stripe's Python client as its users write it. Arguments: the address, the key."""

import sys

import stripe


def main(address, key):
    client = stripe.StripeClient(key, base_addresses={"api": f"{address}/stripe", "meter_events": f"{address}/stripe"})
    payload = {"value": "25", "stripe_customer_id": "user123", "model": "gpt"}
    one = {"event_name": "calls", "payload": payload, "identifier": "one", "timestamp": 1793534400}
    for _ in range(2):
        told = client.v1.billing.meter_events.create(one)
        print(type(told).__name__, told.event_name, told.identifier)
    client.v1.billing.meter_events.create(one | {"identifier": "two", "payload": payload | {"value": 0.1}})
    client.v1.billing.meter_events.create(one | {"identifier": "three", "payload": payload | {"value": 1e-07}})
    client.v2.billing.meter_events.create(
        {"event_name": "calls", "payload": payload, "identifier": "four", "timestamp": "2026-11-01T12:00:00.000Z"}
    )
    client.v1.billing.meter_events.create(one | {"identifier": "bad", "payload": {"stripe_customer_id": "user123"}})
    stream(client, one, address)
    try:
        stripe.StripeClient("wrong", base_addresses={"api": f"{address}/stripe"}).v1.billing.meter_events.create(one)
    except stripe.AuthenticationError as error:
        print(type(error).__name__, error.http_status)


def stream(client, one, address):
    session = client.v2.billing.meter_event_session.create()
    base = {"api": f"{address}/stripe", "meter_events": f"{address}/stripe"}
    streaming = stripe.StripeClient(session.authentication_token, base_addresses=base)
    event = one | {"timestamp": "2026-11-01T12:00:00.000Z"}
    events = [event | {"identifier": "five"}, event | {"identifier": "wrong", "payload": {"value": "x"}}]
    for _ in range(2):
        streaming.v2.billing.meter_event_stream.create({"events": [*events, event | {"identifier": "six"}]})


main(*sys.argv[1:])
