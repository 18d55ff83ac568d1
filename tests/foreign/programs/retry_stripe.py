"""Stripe's Python client sends an event whose answer is lost. Arguments: the address, the key."""

import sys

import stripe

address, key = sys.argv[1:]
client = stripe.StripeClient(key, base_addresses={"api": f"{address}/stripe"}, max_network_retries=2)
event = {"event_name": "calls", "payload": {"value": "25", "stripe_customer_id": "user123"}}
told = client.v1.billing.meter_events.create(event)
print(told.event_name, told.payload["value"])
