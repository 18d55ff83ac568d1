"""One file per noun. A view states which callers may ask, calls one flow or report, and returns what its noun shows."""

from api.views import (
    api_keys,
    billing_runs,
    customers,
    docs,
    exports,
    health,
    invoices,
    plans,
    portal_sessions,
    prices,
    quarantine,
    quotas,
    recording,
    records,
    root,
    seller,
    series,
    subscriptions,
    tax_rates,
    usage,
    usage_types,
)

BLUEPRINTS = (
    recording.blp,
    records.blp,
    usage.blp,
    series.blp,
    billing_runs.blp,
    invoices.blp,
    quarantine.blp,
    customers.blp,
    seller.blp,
    tax_rates.blp,
    plans.blp,
    usage_types.blp,
    quotas.blp,
    prices.blp,
    subscriptions.blp,
    exports.blp,
    portal_sessions.blp,
    api_keys.blp,
    health.blp,
)
PLAIN_BLUEPRINTS = (docs.blp, root.blp)
"""Those that the OpenAPI document does not describe."""
