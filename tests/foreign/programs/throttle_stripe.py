"""Stripe's Python client asks too often. Arguments: the address, the key."""

import sys

import stripe

address, key = sys.argv[1:]
client = stripe.StripeClient(key, base_addresses={"api": f"{address}/stripe"})
event = {"event_name": "calls", "payload": {"value": "25", "stripe_customer_id": "user123"}}
try:
    for number in range(5):
        client.v1.billing.meter_events.create(event | {"identifier": f"st-{number}"})
except stripe.RateLimitError as error:
    print(type(error).__name__, number, error.http_status, error.headers["stripe-should-retry"])
