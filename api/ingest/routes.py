"""The routes on which usage is recorded, our own and those of other programs."""

NATIVE = ("/api/usage/record", "/api/usage/record/batch")
CLOUD_EVENTS = "/api/ingest/cloudevents"
OPENMETER = "/openmeter/api/v1"
LAGO = "/lago/api/v1"
STRIPE = ("", "/stripe")
"""Stripe's npm client takes a host and no path, so its routes also stand at the root."""

STRIPE_EVENTS = ("/v1/billing/meter_events", "/v2/billing/meter_events", "/v2/billing/meter_event_stream")

RECORDING_ROUTES = frozenset(
    {
        *NATIVE,
        CLOUD_EVENTS,
        f"{OPENMETER}/events",
        f"{LAGO}/events",
        f"{LAGO}/events/batch",
        *(prefix + route for prefix in STRIPE for route in STRIPE_EVENTS),
    }
)
"""On these an ``Idempotency-Key`` is a recording's, and a request is not a line on the terminal."""
