"""Stripe's Python client, by ``cases``. The event whose answer is lost has no identifier."""

import stripe
from cases import go_through


def client(address, key):
    below = f"{address}/stripe"
    return stripe.StripeClient(key, base_addresses={"api": below, "meter_events": below}, max_network_retries=2)


def event(case, bad=False):
    value = "many" if bad or case == "bad" else "25"
    made = {"event_name": "calls", "payload": {"value": value, "stripe_customer_id": "user123", "case": case}}
    return made if case == "lost" else made | {"identifier": case}


def send(address, key, case, bad=False):
    client(address, key).v1.billing.meter_events.create(event(case, bad))


def batch(address, key, cases):
    session = client(address, key).v2.billing.meter_event_session.create()
    streaming = client(address, session.authentication_token)
    streaming.v2.billing.meter_event_stream.create({"events": [event(case) for case in cases]})


go_through(send, batch)
