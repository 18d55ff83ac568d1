"""What the OpenAPI document fills in for a reader who tries a request: things of the example of ``usage-billing up``.

A test sends each to a service with that example. What names a thing that is not there is answered by its problem.
"""

from typing import Any

_ID = "01890a5d-ac96-774b-bcce-b302099a8057"

PARAMETERS: dict[tuple[str, str], Any] = {
    ("path", "customer_id"): "user123",
    ("path", "subscription_id"): "sub456",
    ("path", "plan_id"): "business",
    ("path", "usage_type_id"): "assessment",
    ("path", "quota_id"): 1,
    ("path", "change_id"): 1,
    ("path", "record_id"): _ID,
    ("path", "invoice_id"): _ID,
    ("path", "item_id"): _ID,
    ("path", "run_id"): _ID,
    ("path", "key_id"): _ID,
    ("path", "session_id"): _ID,
    ("path", "wallet_id"): "w-acme",
    ("path", "grant_id"): _ID,
    ("path", "top_up_id"): _ID,
    ("path", "endpoint_id"): "books",
    ("path", "alert_id"): "assessments-80-100",
    ("path", "delivery_id"): _ID,
    ("path", "event_id"): "evt_01890a5dac96774bbcceb302099a8057",
    ("path", "package_id"): "pages-1000",
    ("path", "purchase_id"): _ID,
    ("query", "from"): "2020-01-01T00:00:00Z",
    ("query", "to"): "2040-01-01T00:00:00Z",
    ("query", "limit"): 50,
    ("query", "usageType"): "assessment",
}
"""By place and name. The other parameters choose among what there is, and are left to the reader."""

_EVENT = {
    "userId": "user123",
    "subscriptionId": "sub456",
    "usageType": "assessment",
    "quantity": 1,
    "metadata": {"reportId": "abc123"},
}
_PRICE = {"model": "graduated", "tiers": [{"upTo": "100", "unitPrice": "0.50"}, {"upTo": None, "unitPrice": "0.25"}]}

BODIES: dict[str, dict[str, Any]] = {
    "record_usage": _EVENT | {"idempotencyKey": "report-abc123"},
    "record_cloudevents": {
        "specversion": "1.0",
        "id": "report-abc123",
        "source": "assessment-service",
        "type": "assessment",
        "subject": "user123",
        "data": {"reportId": "abc123"},
    },
    "record_batch": {"events": [_EVENT, _EVENT | {"quantity": "2.5"}]},
    "void_record": {"reason": "reported twice"},
    "process_billing": {"dryRun": True},
    "pay_invoice": {"amount": "30.00", "reference": "E2E-4711", "method": "bank transfer"},
    "create_customer": {"id": "acme", "name": "Acme Inc.", "email": "billing@acme.example"},
    "change_customer": {"name": "Acme Corporation"},
    "give_credit_by_hand": {
        "amount": "25.00",
        "currency": "USD",
        "reason": "two hours without service",
        "idempotencyKey": "ticket-4711",
    },
    "create_wallet": {"id": "w-acme", "userId": "acme", "unit": {"unitName": "pages", "usageTypes": ["page"]}},
    "make_grant": {"amount": "1000", "cost": "80.00", "costCurrency": "USD", "idempotencyKey": "order-4711"},
    "void_grant": {"used": True},
    "set_top_up_rule": {
        "below": "100",
        "amount": "1000",
        "atMost": {"count": 3, "per": "month"},
        "cooldownSeconds": 3600,
    },
    "answer_paid": {"cost": "80.00", "reference": "pi_3QK"},
    "answer_failed": {"reason": "the card was declined"},
    "create_endpoint": {
        "id": "books",
        "url": "https://example.com/hooks",
        "types": ["invoice.finalized", "invoice.paid"],
    },
    "change_endpoint": {"description": "the books of Example GmbH"},
    "rotate_endpoint_secret": {"overlapSeconds": 3600},
    "enable_endpoint": {"resume": "all"},
    "replay_events": {"since": "2026-11-30T00:00:00Z", "only": "failed"},
    "create_alert": {
        "id": "assessments-80-100",
        "scope": {"subscriptionId": "sub456"},
        "on": "percent",
        "usageType": "assessment",
        "thresholds": ["80", "100"],
    },
    "change_alert": {"thresholds": ["50", "80", "100"]},
    "resend_event": {"endpointId": "books"},
    "create_package": {
        "id": "pages-1000",
        "name": "1,000 pages",
        "unit": {"unitName": "pages", "usageTypes": ["page"]},
        "currency": "USD",
        "amount": "1000",
        "price": "80.00",
        "validity": {"interval": "year"},
    },
    "define_package_version": {
        "amount": "1000",
        "price": "90.00",
        "validity": {"interval": "year"},
        "effectiveFrom": "2027-01-01T00:00:00Z",
    },
    "buy": {"userId": "user123", "subscriptionId": "sub456", "charge": "next_invoice", "idempotencyKey": "order-4711"},
    "refund_grant": {"amount": "100", "idempotencyKey": "ticket-4711"},
    "set_seller": {
        "legalName": "Example GmbH",
        "address": {"line1": "Hauptstr. 1", "postalCode": "10115", "city": "Berlin", "country": "DE"},
        "iban": "DE89370400440532013000",
    },
    "say_rate": {"country": "DE", "category": "S", "rate": "19", "effectiveFrom": "2021-01-01"},
    "create_plan": {"id": "gold", "name": "Gold", "currency": "USD", "interval": "month", "baseFee": "99.00"},
    "change_plan": {"name": "Business Plus"},
    "create_usage_type": {"id": "page", "unitName": "pages"},
    "change_usage_type": {"unitName": "assessments"},
    "evaluate_definition": {"value": "pages * 2", "where": "pages > 0", "metadata": {"pages": 3}},
    "define_quota": {"planId": "business", "usageType": "assessment", "monthlyLimit": "50", "price": _PRICE},
    "define_plan_version": {"baseFee": "40.00"},
    "end_quota": {"effective": "next_period"},
    "preview_price": {"price": _PRICE, "quantity": "150", "currency": "USD"},
    "create_subscription": {
        "id": "sub789",
        "userId": "user123",
        "planId": "business",
        "startedAt": "2026-11-01T00:00:00Z",
        "timezone": "America/New_York",
    },
    "end_subscription": {"endedAt": "2099-01-01T00:00:00Z"},
    "change_subscription_plan": {"planId": "business", "at": "period_end"},
    "pause_subscription": {"at": "now"},
    "resume_subscription": {"at": "now"},
    "cancel_subscription": {"at": "period_end"},
    "create_portal_session": {"userId": "user123", "returnUrl": "https://app.example.com/account"},
    "create_api_key": {"name": "reports", "scopes": ["usage:write"]},
    "change_api_key": {"expiresAt": "2099-01-01T00:00:00Z"},
    "rotate_api_key": {"overlapSeconds": 3600},
}
"""By the operation's id."""
